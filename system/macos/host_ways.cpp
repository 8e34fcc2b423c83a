#include "system/host_ways.hpp"

#include "system/host_tcp.hpp"

#include <cerrno>

namespace tonel::sys {

result<way_facts> find_ways(const std::vector<protocol::ip_address>&,
                            std::optional<std::uint32_t>) {
  return unexpected{os_error{EOPNOTSUPP, "direct path", "not on macOS"}};
}

std::unique_ptr<host_tcp> open_host_tcp() { return nullptr; }

} // namespace tonel::sys
