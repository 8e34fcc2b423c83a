#pragma once

#include "actors/shard/tunnel_config.hpp"
#include "protocol/address.hpp"
#include "protocol/hello.hpp"
#include "protocol/session/opening_failure.hpp"
#include "system/connection_probe.hpp"

#include <cstdint>
#include <optional>

namespace tonel::actors::app {

/// What became of a connection to a tunnel's remote that greeted it as a client does.
struct probe_answer {
  int connect_error = 0;              ///< errno; 0: it opened
  bool greeted = false;               ///< a hello was sent
  protocol::session_secret secret{};  ///< of that hello
  sys::connection_probe::heard heard; ///< what came after the hello
};

/// Connects to the remote by the system's own TCP and sends a hello, which opens no UDP socket there, and
/// closes. Takes 7 s at most. Without the right to learn the sequence numbers that a hello names,
/// and for older dialects, which have none, it connects alone.
/// mark: as --fwmark has it; 0: none
probe_answer probe_remote(const protocol::endpoint& remote, const tunnel_config& tunnel,
                          std::uint32_t mark);

/// The sizes of packets that reach a tonels, in octets.
struct size_answer {
  std::uint32_t asked = 0;  ///< the largest that both ends and what is known of the way allow
  std::uint32_t passed = 0; ///< the largest that was answered; 0: none, and nothing is known
};

/// Finds out by TCP connections whose first segment begins like a hello and is none: tonels resets those, and
/// nothing else comes of them. Only for an address where tonels answers a hello.
/// mtu: the largest packet that matters
size_answer probe_sizes(const protocol::endpoint& remote, std::uint32_t mtu, std::uint32_t mark);

/// Why a tunnel can't open, by such an answer; none: tonels answers, or all that could be asked is well.
std::optional<protocol::opening_failure>
judge(const probe_answer& answer, const protocol::endpoint& remote, const tunnel_config& tunnel);

} // namespace tonel::actors::app
