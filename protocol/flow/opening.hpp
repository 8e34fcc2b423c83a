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

/// An ICMP error is believed if it quotes our SYN, while that is out, or later what is under way, a
/// probe's octet before that among it.
inline effects undelivered(const packet_undelivered& icmp, const closing& at,
                           const sequence_space& space) noexcept {
  effects out;
  const auto beyond_acked = static_cast<std::int64_t>(icmp.seq - space.highest_ack());
  const bool under_way = beyond_acked >= (space.acked == 0 ? 0 : -1) &&
                         beyond_acked < static_cast<std::int64_t>(space.under_way());
  if (at.is(stage::syn_sent) ? icmp.seq == space.iss : at.is(stage::open) && under_way)
    out.add(icmp);
  else
    out.add(count_drop{errc::icmp_ignored, 1});
  return out;
}

} // namespace tonel::protocol::flow
