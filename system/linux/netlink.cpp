#include "system/linux/netlink.hpp"

#include "system/linux/netlink_message.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace tonel::sys {

result<route_netlink> route_netlink::open(kernel& k) {
  descriptor fd{k, k.socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)};
  if (!fd) return unexpected{os_error{-fd.get(), "socket AF_NETLINK", {}}};
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

result<std::optional<link_info>> route_netlink::find_link(const std::string& name) {
  ifinfomsg fixed{};
  fixed.ifi_family = AF_UNSPEC;
  netlink_request r{RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, &fixed, sizeof fixed};
  r.text(IFLA_IFNAME, name);
  std::optional<link_info> found;
  const auto done = exchange(r, "netlink RTM_GETLINK", [&](const nlmsghdr& h) {
    ifinfomsg m{};
    if (h.nlmsg_type != RTM_NEWLINK || !read_fixed(h, m)) return;
    link_info info;
    info.index = static_cast<std::uint32_t>(m.ifi_index);
    info.up = (m.ifi_flags & IFF_UP) != 0;
    each_attribute(h, sizeof m, [&](const netlink_attribute& a) {
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

result<void> route_netlink::change_link(std::uint32_t index, const link_change& change) {
  ifinfomsg fixed{};
  fixed.ifi_family = AF_UNSPEC;
  fixed.ifi_index = static_cast<int>(index);
  if (change.up) fixed.ifi_flags = fixed.ifi_change = IFF_UP;
  netlink_request r{RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, &fixed, sizeof fixed};
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
  netlink_request r{RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, &fixed, sizeof fixed};
  std::vector<link_address> found;
  const auto done = exchange(r, "netlink RTM_GETADDR", [&](const nlmsghdr& h) {
    ifaddrmsg m{};
    if (h.nlmsg_type != RTM_NEWADDR || !read_fixed(h, m) || m.ifa_index != index) return;
    link_address one;
    protocol::ip_address address;
    one.prefix = m.ifa_prefixlen;
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

result<std::optional<std::uint32_t>> route_netlink::interface_to(const protocol::ip_address& to,
                                                                 std::uint32_t mark) {
  rtmsg fixed{};
  fixed.rtm_family = to.is_v4() ? AF_INET : AF_INET6;
  fixed.rtm_dst_len = static_cast<unsigned char>(8 * to.size());
  netlink_request r{RTM_GETROUTE, NLM_F_REQUEST | NLM_F_ACK, &fixed, sizeof fixed};
  r.address(RTA_DST, to);
  if (mark != 0) r.number(RTA_MARK, mark);
  std::optional<std::uint32_t> found;
  const auto done = exchange(r, "netlink RTM_GETROUTE", [&](const nlmsghdr& h) {
    rtmsg m{};
    if (h.nlmsg_type != RTM_NEWROUTE || !read_fixed(h, m) || m.rtm_type != RTN_UNICAST) return;
    each_attribute(h, sizeof m, [&](const netlink_attribute& a) {
      if (a.type() == RTA_OIF) found = a.number();
    });
  });
  if (!done) {
    const int e = done.error().number;
    if (e != ENETUNREACH && e != EHOSTUNREACH && e != ESRCH) return unexpected{done.error()};
  }
  return found;
}

result<std::vector<default_route>> route_netlink::default_routes(bool v6) {
  rtmsg fixed{};
  fixed.rtm_family = v6 ? AF_INET6 : AF_INET;
  netlink_request r{RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, &fixed, sizeof fixed};
  std::vector<default_route> found;
  const auto done = exchange(r, "netlink RTM_GETROUTE", [&](const nlmsghdr& h) {
    rtmsg m{};
    if (h.nlmsg_type != RTM_NEWROUTE || !read_fixed(h, m)) return;
    if (m.rtm_dst_len != 0 || m.rtm_table != RT_TABLE_MAIN || m.rtm_type != RTN_UNICAST) return;
    default_route route;
    route.learnt = m.rtm_protocol == RTPROT_RA;
    each_attribute(h, sizeof m, [&](const netlink_attribute& a) {
      if (a.type() == RTA_OIF) route.index = a.number();
      if (a.type() == RTA_PRIORITY) route.metric = a.number();
      // Several next hops: the first stands for all.
      rtnexthop hop{};
      if (a.type() == RTA_MULTIPATH && a.size() >= sizeof hop) {
        std::memcpy(&hop, a.data(), sizeof hop);
        route.index = static_cast<std::uint32_t>(hop.rtnh_ifindex);
      }
    });
    if (route.index != 0) found.push_back(route);
  });
  if (!done) return unexpected{done.error()};
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.metric < b.metric; });
  return found;
}

} // namespace tonel::sys
