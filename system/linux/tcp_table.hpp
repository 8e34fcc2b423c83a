#pragma once

#include "protocol/address.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace tonel::sys {

/// A socket that listens, as /proc/net/tcp and tcp6 have it.
struct listening_socket {
  protocol::endpoint at;
  std::uint64_t inode = 0;
};

/// All of a table. Lines that are not understood are left out.
/// Source: kernel Documentation/networking/proc_net_tcp.rst
std::vector<listening_socket> parse_tcp_table(std::string_view table);

} // namespace tonel::sys
