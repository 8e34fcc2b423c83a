#pragma once

#include "protocol/address.hpp"
#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

struct nlmsghdr;

namespace tonel::sys {

/// The kernel's facts about an interface.
struct link_info {
  std::uint32_t index = 0;
  std::uint32_t mtu = 0;
  std::uint32_t txqueuelen = 0;
  bool up = false;
  bool carrier = false;         ///< of a TUN: some program has it open
  std::uint64_t tx_dropped = 0; ///< packets; of a TUN: dropped for a full queue
};

/// Changes to an interface; members without a value change nothing.
struct link_change {
  std::optional<std::uint32_t> mtu;
  std::optional<std::uint32_t> txqueuelen;
  bool up = false;
  bool no_link_local = false; ///< keeps IPv6 from making a link-local address
};

/// An address of an interface, with the peer's address on a point-to-point link.
struct link_address {
  protocol::ip_address local;
  protocol::ip_address peer; ///< unspecified: not a point-to-point address
  std::uint8_t prefix = 0;   ///< bits
};

/// A default route.
struct default_route {
  std::uint32_t index = 0; ///< number of the interface
  std::uint32_t metric = 0;
  bool learnt = false; ///< learnt from a router advertisement
};

/// Asks the kernel about interfaces, addresses and routes, and changes interfaces and addresses.
/// Errors: the kernel's; EPERM: CAP_NET_ADMIN is missing
/// Thread: one at a time; calls block for the kernel's answer
/// Source: man 7 rtnetlink; RFC 3549 §2
class route_netlink {
public:
  static result<route_netlink> open(kernel& k);

  /// The interface of this name; none: there is no such interface.
  result<std::optional<link_info>> find_link(const std::string& name);
  result<void> change_link(std::uint32_t index, const link_change& change);
  result<std::vector<link_address>> addresses(std::uint32_t index);
  /// Adds the address without duplicate address detection, since no other host is on a TUN.
  result<void> add_address(std::uint32_t index, const link_address& address);
  result<void> remove_address(std::uint32_t index, const link_address& address);

  /// The number of the interface by which a packet to this address leaves the host, by policy
  /// routing for packets with this mark (0: no mark); none: there is no route.
  result<std::optional<std::uint32_t>> interface_to(const protocol::ip_address& to,
                                                    std::uint32_t mark);
  /// The default routes of the main table, the preferred one first.
  result<std::vector<default_route>> default_routes(bool v6);

private:
  class request;
  route_netlink(kernel& k, descriptor fd) noexcept : kernel_(&k), fd_(std::move(fd)) {}
  /// Sends the request, and reads answers until the kernel has finished; passes each data message
  /// to `on_message`.
  result<void> exchange(request& r, const char* operation,
                        const std::function<void(const nlmsghdr&)>& on_message = {});
  result<void> change_address(std::uint16_t type, std::uint16_t flags, const char* operation,
                              std::uint32_t index, const link_address& address);

  kernel* kernel_;
  descriptor fd_;
  std::uint32_t sequence_ = 0;
};

} // namespace tonel::sys
