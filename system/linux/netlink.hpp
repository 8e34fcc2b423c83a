#pragma once

#include "protocol/address.hpp"
#include "system/ip_net.hpp"
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

class netlink_request;

/// The kernel's facts about an interface.
struct link_info {
  std::uint32_t index = 0;
  std::string name;
  std::uint32_t mtu = 0;
  std::uint32_t txqueuelen = 0;
  bool up = false;
  bool loopback = false;
  bool ethernet = false;        ///< its link headers are
  bool carrier = false;         ///< of a TUN: some program has it open
  std::uint64_t tx_dropped = 0; ///< packets; of a TUN: dropped for a full queue
};

/// Changes to an interface; members without a value change nothing.
struct link_change {
  std::optional<std::string> name; ///< kernels before 6.2: of one that is down
  std::optional<std::uint32_t> mtu;
  std::optional<std::uint32_t> txqueuelen;
  std::optional<bool> up;
  bool no_link_local = false; ///< keeps IPv6 from making a link-local address
};

/// An address of an interface, with the peer's address on a point-to-point link.
struct link_address {
  protocol::ip_address local;
  protocol::ip_address peer; ///< unspecified: not a point-to-point address
  std::uint8_t prefix = 0;   ///< bits
  std::uint32_t index = 0;   ///< number of the interface; only of addresses that were read
};

/// A route, of one packet's way or of a table.
struct route {
  struct hop {
    std::uint32_t index = 0; ///< of the interface
    /// None: what it leads to is on the link. Of either family (RFC 5549).
    protocol::ip_address gateway;
  };
  ip_net to;
  std::vector<hop> hops; ///< those of several next hops, or one
  std::uint32_t table = 0, metric = 0;
  std::uint8_t type = 0, protocol = 0; ///< RTN_*, RTPROT_*
  protocol::ip_address source;         ///< preferred for packets of this host; none: not said
};

/// Which routes are asked for; 0: any.
struct route_filter {
  bool v6 = false;
  std::uint32_t index = 0; ///< by this interface, though not as one of several next hops
  std::uint32_t table = 0;
};

/// A rule of policy routing: packets with this mark look into this table.
struct policy_rule {
  bool v6 = false;
  std::uint32_t priority = 0, mark = 0, table = 0;
  std::string from_device; ///< empty: any
  bool others = false;     ///< read only: packets without the mark do, as wg-quick makes one

  bool operator==(const policy_rule& o) const noexcept {
    return v6 == o.v6 && others == o.others && priority == o.priority && mark == o.mark &&
           table == o.table && from_device == o.from_device;
  }
};

/// An eBPF program as a filter of an interface's ingress, whose verdict is final (direct-action).
struct ingress_filter {
  std::uint16_t priority = 0; ///< the lowest is asked first
  std::uint32_t handle = 0;   ///< 0: the kernel chooses; with the priority it names the filter
  std::string name;
  std::uint32_t program = 0; ///< its id; only of filters that were read
};

/// Asks the kernel about interfaces, addresses, routes and filters, and changes them.
/// Errors: the kernel's; EPERM: CAP_NET_ADMIN is missing
/// Thread: one at a time; calls block for the kernel's answer
/// Source: man 7 rtnetlink; RFC 3549 §2
class route_netlink {
public:
  static result<route_netlink> open(kernel& k);

  /// The interface of this name or number; none: there is no such interface.
  result<std::optional<link_info>> find_link(const std::string& name);
  result<std::optional<link_info>> find_link(std::uint32_t index);
  result<void> change_link(std::uint32_t index, const link_change& change);
  /// index: of the interface; 0: of all
  result<std::vector<link_address>> addresses(std::uint32_t index);
  /// Adds the address without duplicate address detection, since no other host is on a TUN.
  result<void> add_address(std::uint32_t index, const link_address& address);
  result<void> remove_address(std::uint32_t index, const link_address& address);

  /// The way of a packet to this address, as policy routing decides for packets with this mark (0: none)
  /// and this source (none: not chosen yet); nothing where there is no route.
  result<std::optional<route::hop>> way_to(const protocol::ip_address& to, std::uint32_t mark,
                                           const protocol::ip_address& from = {});
  /// Likewise, the whole route: with the source address of such a packet, and its type where it stays on
  /// this host.
  result<std::optional<route>> route_to(const protocol::ip_address& to, std::uint32_t mark,
                                        const protocol::ip_address& from = {});
  /// Visits them in the kernel's order; none of a table that is not there. A host may have a million.
  result<void> each_route(const route_filter& which, const std::function<void(route)>& visit);
  result<std::vector<route>> routes(const route_filter& which);
  /// The default routes of the main table, the preferred one first.
  result<std::vector<route>> default_routes(bool v6);
  /// With one next hop. One that is there is no error.
  result<void> add_route(const route& r);
  result<void> remove_route(const route& r);

  /// Those with a mark, a table and no other conditions but a device.
  result<std::vector<policy_rule>> policy_rules(bool v6);
  result<void> add_rule(const policy_rule& r);
  result<void> remove_rule(const policy_rule& r);

  /// What filters hang on; false: it is there already, or its older kind "ingress", which serves, too.
  result<bool> add_clsact(std::uint32_t index);
  /// With all filters of the interface.
  result<void> remove_clsact(std::uint32_t index);
  /// How many filters the interface has, of any kind and in both directions; 0 without clsact.
  result<std::size_t> count_filters(std::uint32_t index);
  /// The programs among them at the ingress.
  result<std::vector<ingress_filter>> ingress_filters(std::uint32_t index);
  /// Errors: EINVAL: the priority is in use for another kind
  result<void> add_filter(std::uint32_t index, const ingress_filter& f, int program);
  result<void> remove_filter(std::uint32_t index, const ingress_filter& f);

private:
  route_netlink(kernel& k, descriptor fd) noexcept : kernel_(&k), fd_(std::move(fd)) {}
  /// Sends the request, and reads answers until the kernel has finished; passes each data message
  /// to `on_message`.
  result<void> exchange(netlink_request& r, const char* operation,
                        const std::function<void(const nlmsghdr&)>& on_message = {});
  result<std::optional<link_info>> ask_link(netlink_request& r);
  result<void> change_address(std::uint16_t type, std::uint16_t flags, const char* operation,
                              std::uint32_t index, const link_address& address);
  result<void> change_route(std::uint16_t type, std::uint16_t flags, const char* operation,
                            const route& r);
  result<void> each_filter(std::uint32_t index, bool ingress,
                           const std::function<void(const nlmsghdr&)>& visit);
  result<void> change_rule(std::uint16_t type, std::uint16_t flags, const char* operation,
                           const policy_rule& r);

  kernel* kernel_;
  descriptor fd_;
  std::uint32_t sequence_ = 0;
};

} // namespace tonel::sys
