#include "system/linux/netlink.hpp"

#include "system/linux/netlink_message.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace tonel::sys {

result<route_netlink> route_netlink::open(kernel& k) {
  descriptor fd{k, k.socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)};
  if (!fd) return unexpected{os_error{-fd.get(), "socket AF_NETLINK", {}}};
  // Since 4.20 the kernel then gives of routes and addresses only those that are asked for.
  const int on = 1;
  static_cast<void>(k.setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on));
  return route_netlink{k, std::move(fd)};
}

result<void> route_netlink::exchange(netlink_request& r, const char* operation,
                                     const std::function<void(const nlmsghdr&)>& on_message) {
  const auto bytes = r.finish(++sequence_);
  const auto failed = [&](long e) {
    return unexpected{os_error{static_cast<int>(-e), operation, {}}};
  };
  if (const long n = kernel_->send(fd_.get(), bytes.data(), bytes.size(), 0); n < 0)
    return failed(n);
  alignas(nlmsghdr) std::array<std::uint8_t, 32'768> buffer{};
  for (;;) {
    const long got = kernel_->recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0) return failed(got);
    std::optional<int> ended; // with this error
    const bool whole =
        each_message({buffer.data(), static_cast<std::size_t>(got)}, [&](const nlmsghdr& h) {
          if (h.nlmsg_seq != sequence_) return true;
          nlmsgerr e{};
          if (h.nlmsg_type == NLMSG_ERROR)
            ended = read_fixed(h, e) ? e.error : -EBADMSG;
          else if (h.nlmsg_type == NLMSG_DONE)
            ended = 0;
          else if (on_message)
            on_message(h);
          return !ended;
        });
    if (!whole) return failed(-EBADMSG);
    if (ended && *ended != 0) return failed(*ended);
    if (ended) return {};
  }
}

result<std::optional<link_info>> route_netlink::ask_link(netlink_request& r) {
  std::optional<link_info> found;
  const auto done = exchange(r, "netlink RTM_GETLINK", [&](const nlmsghdr& h) {
    ifinfomsg m{};
    if (h.nlmsg_type != RTM_NEWLINK || !read_fixed(h, m)) return;
    link_info info;
    info.index = static_cast<std::uint32_t>(m.ifi_index);
    info.up = (m.ifi_flags & IFF_UP) != 0;
    info.loopback = (m.ifi_flags & IFF_LOOPBACK) != 0;
    info.ethernet = m.ifi_type == ARPHRD_ETHER || m.ifi_type == ARPHRD_LOOPBACK;
    each_attribute(h, sizeof m, [&](const netlink_attribute& a) {
      if (a.type() == IFLA_IFNAME) info.name = a.text();
      if (a.type() == IFLA_MTU) info.mtu = a.number();
      if (a.type() == IFLA_TXQLEN) info.txqueuelen = a.number();
      if (a.type() == IFLA_STATS64 && a.size() >= sizeof(rtnl_link_stats64)) {
        rtnl_link_stats64 stats{};
        std::memcpy(&stats, a.data(), sizeof stats);
        info.tx_dropped = stats.tx_dropped;
      }
      if (a.type() == IFLA_CARRIER) info.carrier = a.octet() != 0;
    });
    found = info;
  });
  if (!done && done.error().number != ENODEV) return unexpected{done.error()};
  return found;
}

result<std::optional<link_info>> route_netlink::find_link(const std::string& name) {
  ifinfomsg fixed{};
  fixed.ifi_family = AF_UNSPEC;
  netlink_request r{RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, &fixed, sizeof fixed};
  r.text(IFLA_IFNAME, name);
  return ask_link(r);
}

result<std::optional<link_info>> route_netlink::find_link(std::uint32_t index) {
  ifinfomsg fixed{};
  fixed.ifi_family = AF_UNSPEC;
  fixed.ifi_index = static_cast<int>(index);
  netlink_request r{RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, &fixed, sizeof fixed};
  return ask_link(r);
}

result<void> route_netlink::change_link(std::uint32_t index, const link_change& change) {
  ifinfomsg fixed{};
  fixed.ifi_family = AF_UNSPEC;
  fixed.ifi_index = static_cast<int>(index);
  if (change.up) {
    fixed.ifi_change = IFF_UP;
    fixed.ifi_flags = *change.up ? unsigned{IFF_UP} : 0u;
  }
  netlink_request r{RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, &fixed, sizeof fixed};
  if (change.name) r.text(IFLA_IFNAME, *change.name);
  if (change.mtu) r.number(IFLA_MTU, *change.mtu);
  if (change.txqueuelen) r.number(IFLA_TXQLEN, *change.txqueuelen);
  if (change.no_link_local) {
    const auto families = r.open(IFLA_AF_SPEC);
    const auto inet6 = r.open(AF_INET6);
    r.number(IFLA_INET6_ADDR_GEN_MODE, std::uint8_t{IN6_ADDR_GEN_MODE_NONE});
    r.close(inet6);
    r.close(families);
  }
  return exchange(r, "netlink RTM_NEWLINK");
}

result<std::vector<link_address>> route_netlink::addresses(std::uint32_t index) {
  ifaddrmsg fixed{};
  fixed.ifa_family = AF_UNSPEC;
  fixed.ifa_index = index;
  netlink_request r{RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, &fixed, sizeof fixed};
  std::vector<link_address> found;
  const auto done = exchange(r, "netlink RTM_GETADDR", [&](const nlmsghdr& h) {
    ifaddrmsg m{};
    if (h.nlmsg_type != RTM_NEWADDR || !read_fixed(h, m)) return;
    if (index != 0 && m.ifa_index != index) return; // kernels that don't filter
    link_address one;
    protocol::ip_address address;
    one.prefix = m.ifa_prefixlen;
    one.index = m.ifa_index;
    each_attribute(h, sizeof m, [&](const netlink_attribute& a) {
      if (a.type() == IFA_LOCAL) one.local = a.address();
      if (a.type() == IFA_ADDRESS) address = a.address();
    });
    // IPv6 sends IFA_LOCAL only where there is a peer; IPv4 sends both attributes always.
    if (!one.local) one.local = address;
    if (address != one.local) one.peer = address;
    found.push_back(one);
  });
  if (!done) return unexpected{done.error()};
  return found;
}

result<void> route_netlink::change_address(std::uint16_t type, std::uint16_t flags,
                                           const char* operation, std::uint32_t index,
                                           const link_address& address) {
  ifaddrmsg fixed{};
  fixed.ifa_family = address.local.is_v4() ? AF_INET : AF_INET6;
  fixed.ifa_prefixlen = address.prefix;
  fixed.ifa_index = index;
  if (address.local.is_v6()) fixed.ifa_flags = IFA_F_NODAD;
  netlink_request r{type, flags, &fixed, sizeof fixed};
  r.address(IFA_LOCAL, address.local);
  r.address(IFA_ADDRESS, address.peer ? address.peer : address.local);
  auto done = exchange(r, operation);
  if (!done) done.error().detail = address.local.to_string();
  return done;
}

result<void> route_netlink::add_address(std::uint32_t index, const link_address& address) {
  return change_address(RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
                        "netlink RTM_NEWADDR", index, address);
}

result<void> route_netlink::remove_address(std::uint32_t index, const link_address& address) {
  return change_address(RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, "netlink RTM_DELADDR", index,
                        address);
}

} // namespace tonel::sys
