#pragma once

#include "protocol/effects.hpp"
#include "protocol/errc.hpp"
#include "protocol/flow/closing.hpp"
#include "protocol/flow/sequence_space.hpp"

namespace tonel::protocol::flow {

/// Nobody has answered from this port: another is to be tried, or that was the last.
inline void give_up_port(bool last_port, effects& out) noexcept {
  if (last_port)
    out.add(ended{end_reason::timed_out});
  else
    out.add(try_new_port{});
}

/// An ICMP error is believed while our SYN is out, and if it quotes that.
inline effects undelivered(const packet_undelivered& icmp, const closing& at,
                           const sequence_space& space) noexcept {
  effects out;
  if (at.is(stage::syn_sent) && icmp.seq == space.iss)
    out.add(icmp);
  else
    out.add(count_drop{errc::icmp_ignored, 1});
  return out;
}

} // namespace tonel::protocol::flow
