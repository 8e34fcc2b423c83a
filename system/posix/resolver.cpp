#include "system/resolver.hpp"

#include "system/posix/socket_address.hpp"

#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace tonel::sys {

namespace {

bool wanted(const protocol::ip_address& a, address_filter filter) noexcept {
  return filter == address_filter::any || (filter == address_filter::v4 ? a.is_v4() : a.is_v6());
}

} // namespace

result<std::vector<protocol::endpoint>> resolve(const std::string& host, std::uint16_t port,
                                                address_filter filter) {
  if (const auto literal = protocol::ip_address::parse(host)) {
    if (wanted(*literal, filter)) return std::vector{protocol::endpoint{*literal, port}};
    return unexpected{os_error{EAFNOSUPPORT, "getaddrinfo", host}};
  }
  addrinfo hints{};
  hints.ai_family = filter == address_filter::any  ? AF_UNSPEC
                    : filter == address_filter::v4 ? AF_INET
                                                   : AF_INET6;
  hints.ai_socktype = SOCK_DGRAM; // one entry for each address
  // No AI_ADDRCONFIG: routes at start-up may not be those to the server later.
  addrinfo* list = nullptr;
  const int r = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (r == EAI_SYSTEM) return unexpected{os_error{errno, "getaddrinfo", host}};
  if (r != 0) return unexpected{os_error{0, "getaddrinfo", host + ": " + ::gai_strerror(r)}};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner{list, &::freeaddrinfo};
  std::vector<protocol::endpoint> found;
  for (const auto* a = list; a != nullptr; a = a->ai_next) {
    socket_address address{};
    std::memcpy(&address, a->ai_addr, std::min<std::size_t>(a->ai_addrlen, sizeof address));
    auto e = decode(address);
    e.port = port;
    if (e.address && std::find(found.begin(), found.end(), e) == found.end()) found.push_back(e);
  }
  if (found.empty()) return unexpected{os_error{0, "getaddrinfo", host + ": no address"}};
  return found;
}

} // namespace tonel::sys
