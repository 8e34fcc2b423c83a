#pragma once

#include "protocol/address.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tonel::sys {

/// The wanted family of addresses.
enum class address_filter : std::uint8_t { any, v4, v6 };

/// The addresses of a host name or literal, in the system's order of preference, without
/// duplicates.
/// Errors: number 0, with the resolver's message as detail; try again later
/// Thread: a worker, since it blocks as long as the system's resolver; not for a literal
result<std::vector<protocol::endpoint>> resolve(const std::string& host, std::uint16_t port,
                                                address_filter filter = address_filter::any);

} // namespace tonel::sys
