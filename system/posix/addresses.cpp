#include "system/addresses.hpp"

#include "system/posix/socket_address.hpp"

#include <ifaddrs.h>

#include <cstring>
#include <memory>

namespace tonel::sys {

std::optional<std::string> interface_with(const protocol::ip_address& address) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return std::nullopt;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner{list, ::freeifaddrs};
  for (const auto* each = list; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr) continue;
    const auto family = each->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    socket_address a{};
    std::memcpy(&a, each->ifa_addr, family == AF_INET ? sizeof a.v4 : sizeof a.v6);
    if (decode(a).address == address) return std::string{each->ifa_name};
  }
  return std::nullopt;
}

} // namespace tonel::sys
