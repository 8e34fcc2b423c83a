#pragma once

#include "protocol/address.hpp"
#include "protocol/bytes.hpp"
#include "protocol/seq.hpp"
#include "protocol/time.hpp"
#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace tonel::sys {

/// A TCP connection of the system's own, for a look at what answers at an address: no TUN device, no
/// firewall rule and no privilege is needed to make it.
/// Owns:   the descriptor
/// Thread: blocks; not for event loops
class connection_probe {
public:
  /// Both ends' initial sequence numbers.
  struct numbers {
    protocol::seq_num own, other;
  };
  enum class end : std::uint8_t {
    none, ///< it is open still
    closed,
    reset,
  };
  /// The octets that came, and how the connection is then.
  struct heard {
    std::vector<std::uint8_t> octets;
    end is = end::none;
  };

  /// Errors: of "connect": ECONNREFUSED (a RST), ETIMEDOUT (no answer in time), EHOSTUNREACH,
  ///         ENETUNREACH, EACCES (ICMP, or the host's own routing and rules)
  /// mark: for policy routing, where this user may set it; 0: none
  static result<connection_probe> open(const protocol::endpoint& to, protocol::duration patience,
                                       std::uint32_t mark = 0);

  /// Errors: EPERM of "TCP_REPAIR": no CAP_NET_ADMIN; ENOTSUP: the system does not tell
  result<numbers> initial_numbers() const;
  /// In one segment, as far as the system lets us.
  /// Errors: EPIPE, ECONNRESET of "send"
  result<void> say(protocol::byte_view octets) const;
  /// The most octets that a segment takes now, by the other end's word and what is known of the path.
  /// 0: unknown
  std::size_t segment_size() const;
  /// Adds what comes within the time to `so_far`; returns at the first octets.
  void listen(heard& so_far, protocol::duration patience) const;

private:
  explicit connection_probe(descriptor fd) noexcept : fd_(std::move(fd)) {}

  descriptor fd_;
};

/// Sends an empty UDP datagram, and waits for ICMP that says that nobody takes it.
/// Errors: ECONNREFUSED: nobody listens there; EHOSTUNREACH, ENETUNREACH, EACCES and others
/// Thread: blocks; not for event loops
result<void> knock(const protocol::endpoint& at, protocol::duration patience);

} // namespace tonel::sys
