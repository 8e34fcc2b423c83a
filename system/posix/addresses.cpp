#include "system/addresses.hpp"

#include "system/posix/socket_address.hpp"

#include <ifaddrs.h>

#include <cstring>
#include <memory>

namespace tonel::sys {

namespace {

/// The interface with an entry of which `pick` gives a socket address that is this one.
template <class Pick>
std::optional<std::string> interface_where(const protocol::ip_address& address, Pick pick) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return std::nullopt;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner{list, ::freeifaddrs};
  for (const auto* each = list; each != nullptr; each = each->ifa_next) {
    const sockaddr* found = pick(*each);
    if (found == nullptr) continue;
    const auto family = found->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    socket_address a{};
    std::memcpy(&a, found, family == AF_INET ? sizeof a.v4 : sizeof a.v6);
    if (decode(a).address == address) return std::string{each->ifa_name};
  }
  return std::nullopt;
}

} // namespace

std::optional<std::string> interface_with(const protocol::ip_address& address) {
  return interface_where(address, [](const ifaddrs& each) { return each.ifa_addr; });
}

std::optional<std::string> interface_to_peer(const protocol::ip_address& address) {
  return interface_where(address, [](const ifaddrs& each) { return each.ifa_dstaddr; });
}

} // namespace tonel::sys
