#pragma once

#include "protocol/address.hpp"
#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

struct nlmsghdr;

namespace tonel::sys {

class netlink_request;

/// What the kernel says about an interface.
struct link_info {
  std::uint32_t index = 0;
  std::uint32_t mtu = 0;
  std::uint32_t txqueuelen = 0;
  bool up = false;
  bool carrier = false;         ///< a TUN: somebody has it open
  std::uint64_t tx_dropped = 0; ///< packets; a TUN: its queue was full
};

/// What to change of an interface; what is not given stays.
struct link_change {
  std::optional<std::uint32_t> mtu;
  std::optional<std::uint32_t> txqueuelen;
  bool up = false;
  bool no_link_local = false; ///< IPv6 makes no address of its own accord
};

/// An address of an interface with its other end.
struct link_address {
  protocol::ip_address local;
  protocol::ip_address peer; ///< none: not a point-to-point address
  std::uint8_t prefix = 0;
};

/// A default route.
struct default_route {
  std::uint32_t index = 0; ///< of the interface
  std::uint32_t metric = 0;
  bool learnt = false; ///< from a router advertisement
};

/// Asks the kernel about interfaces and addresses, and changes them.
/// Errors: those of the kernel's answer; EPERM: CAP_NET_ADMIN is missing
/// Source: man 7 rtnetlink; RFC 3549 §2
class route_netlink {
public:
  static result<route_netlink> open(kernel& k);

  /// Nothing where there is no interface of that name.
  result<std::optional<link_info>> find_link(const std::string& name);
  result<void> change_link(std::uint32_t index, const link_change& change);
  result<std::vector<link_address>> addresses(std::uint32_t index);
  /// Without duplicate address detection: nobody else is on a TUN.
  result<void> add_address(std::uint32_t index, const link_address& address);
  result<void> remove_address(std::uint32_t index, const link_address& address);

  /// The interface that a packet to this address leaves by, as policy routing decides for packets with
  /// this mark (0: none); nothing where there is no route.
  result<std::optional<std::uint32_t>> interface_to(const protocol::ip_address& to,
                                                    std::uint32_t mark);
  /// The main table's, the preferred one first.
  result<std::vector<default_route>> default_routes(bool v6);

private:
  route_netlink(kernel& k, descriptor fd) noexcept : kernel_(&k), fd_(std::move(fd)) {}
  /// Sends it and takes answers until the kernel says done; gives each data message to `on_message`.
  result<void> exchange(netlink_request& r, const char* operation,
                        const std::function<void(const nlmsghdr&)>& on_message = {});
  result<void> change_address(std::uint16_t type, std::uint16_t flags, const char* operation,
                              std::uint32_t index, const link_address& address);

  kernel* kernel_;
  descriptor fd_;
  std::uint32_t sequence_ = 0;
};

} // namespace tonel::sys
