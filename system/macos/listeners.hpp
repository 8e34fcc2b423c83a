#pragma once

#include "system/tcp_ports.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace tonel::sys {

/// The processes that `lsof -Fpc` names: lines "pNUMBER" and "cNAME", one pair a process.
std::vector<listener_facts> parse_listeners(std::string_view printed, std::uint16_t port);

} // namespace tonel::sys
