#pragma once

#include "protocol/address.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tonel::sys {

/// Which addresses are wanted.
enum class address_filter : std::uint8_t { any, v4, v6 };

/// The addresses of a host name or literal, in the system's order of preference, without doubles.
/// Blocks as long as the system's resolver does: for the worker thread. A literal never blocks.
/// Errors: number 0 with the resolver's words in detail; the caller tries again later
result<std::vector<protocol::endpoint>> resolve(const std::string& host, std::uint16_t port,
                                                address_filter filter = address_filter::any);

} // namespace tonel::sys
