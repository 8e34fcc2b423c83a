#pragma once

#include "protocol/address.hpp"
#include "protocol/bytes.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace tonel::sys {

// Messages of a routing socket (PF_ROUTE). Built and read here without one.
// Source: XNU bsd/net/route.h, bsd/net/rtsock.c; man 4 route

/// Asks for the route to an address; none of the address: for the default route of the family.
std::vector<std::uint8_t> route_question(const protocol::ip_address& to, bool v6, int sequence);

/// Makes an interface the way to one address.
std::vector<std::uint8_t> route_addition(const protocol::ip_address& to, std::uint32_t interface,
                                         int sequence);

/// What the kernel says to a message of ours.
struct route_answer {
  std::uint32_t interface = 0; ///< index
  int error = 0;
};

/// Nothing: the message is another's, or cut short.
std::optional<route_answer> parse_route_answer(protocol::byte_view message, int pid, int sequence);

/// Whether it tells of a route or an address that has come, gone or changed.
bool is_route_change(protocol::byte_view message) noexcept;

} // namespace tonel::sys
