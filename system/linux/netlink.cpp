#include "system/linux/netlink.hpp"

#include "protocol/bytes.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace tonel::sys {

/// A request under construction.
/// Shape: nlmsghdr, a fixed part, attributes; each aligned to 4
class route_netlink::request {
public:
  request(std::uint16_t type, std::uint16_t flags, const void* fixed, std::size_t size) {
    header_.nlmsg_type = type;
    header_.nlmsg_flags = flags;
    size_ = NLMSG_HDRLEN;
    append(fixed, size);
  }

  void attribute(std::uint16_t type, const void* data, std::size_t size) {
    rtattr a{};
    a.rta_type = type;
    a.rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
    append(&a, sizeof a);
    append(data, size);
  }
  template <class Number> void number(std::uint16_t type, Number n) {
    attribute(type, &n, sizeof n);
  }
  void address(std::uint16_t type, const protocol::ip_address& a) {
    attribute(type, a.data(), a.size());
  }
  /// Begins an attribute of `type` that holds the attributes added up to close().
  std::size_t open(std::uint16_t type) {
    const auto at = size_;
    attribute(type, nullptr, 0);
    return at;
  }
  void close(std::size_t at) {
    rtattr a{};
    std::memcpy(&a, bytes_.data() + at, sizeof a);
    a.rta_len = static_cast<unsigned short>(size_ - at);
    std::memcpy(bytes_.data() + at, &a, sizeof a);
  }

  protocol::byte_view finish(std::uint32_t sequence) {
    header_.nlmsg_len = static_cast<std::uint32_t>(size_);
    header_.nlmsg_seq = sequence;
    std::memcpy(bytes_.data(), &header_, sizeof header_);
    return {bytes_.data(), size_};
  }

private:
  void append(const void* data, std::size_t size) {
    assert(size_ + size + 4 <= bytes_.size());
    if (size != 0) std::memcpy(bytes_.data() + size_, data, size);
    size_ += (size + 3) & ~std::size_t{3};
  }

  nlmsghdr header_{};
  std::array<std::uint8_t, 512> bytes_{};
  std::size_t size_ = 0;
};

namespace {

/// Calls visit(type, data, size) for each attribute of a message whose fixed part has `fixed`
/// octets.
template <class Visit> void each_attribute(const nlmsghdr& h, std::size_t fixed, Visit visit) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&h);
  std::size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(fixed);
  while (at + sizeof(rtattr) <= h.nlmsg_len) {
    rtattr a{};
    std::memcpy(&a, bytes + at, sizeof a);
    if (a.rta_len < sizeof a || at + a.rta_len > h.nlmsg_len) return;
    visit(static_cast<std::uint16_t>(a.rta_type & NLA_TYPE_MASK), bytes + at + sizeof a,
          a.rta_len - sizeof a);
    at += RTA_ALIGN(std::size_t{a.rta_len});
  }
}

template <class Fixed> bool read_fixed(const nlmsghdr& h, Fixed& f) noexcept {
  if (h.nlmsg_len < NLMSG_HDRLEN + sizeof f) return false;
  std::memcpy(&f, reinterpret_cast<const std::uint8_t*>(&h) + NLMSG_HDRLEN, sizeof f);
  return true;
}

std::uint32_t number_of(const std::uint8_t* data, std::size_t size) noexcept {
  std::uint32_t n = 0;
  if (size >= sizeof n) std::memcpy(&n, data, sizeof n);
  return n;
}

protocol::ip_address address_of(const std::uint8_t* data, std::size_t size) noexcept {
  if (size == 4) return protocol::ip_address::v4(data);
  if (size == 16) return protocol::ip_address::v6(data);
  return {};
}

} // namespace

result<route_netlink> route_netlink::open(kernel& k) {
  descriptor fd{k, k.socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)};
  if (!fd) return unexpected{os_error{-fd.get(), "socket AF_NETLINK", {}}};
  return route_netlink{k, std::move(fd)};
}

result<void> route_netlink::exchange(request& r, const char* operation,
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
    std::size_t left = static_cast<std::size_t>(got);
    for (std::size_t at = 0; left >= sizeof(nlmsghdr);) {
      const auto& h = *reinterpret_cast<const nlmsghdr*>(buffer.data() + at);
      if (h.nlmsg_len < sizeof h || h.nlmsg_len > left) return failed(-EBADMSG);
      if (h.nlmsg_seq == sequence_) {
        if (h.nlmsg_type == NLMSG_ERROR) {
          nlmsgerr e{};
          if (!read_fixed(h, e)) return failed(-EBADMSG);
          if (e.error != 0) return failed(e.error);
          return {};
        }
        if (h.nlmsg_type == NLMSG_DONE) return {};
        if (on_message) on_message(h);
      }
      const auto step = std::min<std::size_t>(NLMSG_ALIGN(h.nlmsg_len), left);
      at += step;
      left -= step;
    }
  }
}

result<std::optional<link_info>> route_netlink::find_link(const std::string& name) {
  ifinfomsg fixed{};
  fixed.ifi_family = AF_UNSPEC;
  request r{RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, &fixed, sizeof fixed};
  r.attribute(IFLA_IFNAME, name.c_str(), name.size() + 1);
  std::optional<link_info> found;
  const auto done = exchange(r, "netlink RTM_GETLINK", [&](const nlmsghdr& h) {
    ifinfomsg m{};
    if (h.nlmsg_type != RTM_NEWLINK || !read_fixed(h, m)) return;
    link_info info;
    info.index = static_cast<std::uint32_t>(m.ifi_index);
    info.up = (m.ifi_flags & IFF_UP) != 0;
    each_attribute(h, sizeof m, [&](std::uint16_t type, const std::uint8_t* data, std::size_t n) {
      if (type == IFLA_MTU) info.mtu = number_of(data, n);
      if (type == IFLA_TXQLEN) info.txqueuelen = number_of(data, n);
      if (type == IFLA_STATS64 && n >= sizeof(rtnl_link_stats64)) {
        rtnl_link_stats64 stats{};
        std::memcpy(&stats, data, sizeof stats);
        info.tx_dropped = stats.tx_dropped;
      }
      if (type == IFLA_CARRIER) info.carrier = n > 0 && data[0] != 0;
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
  request r{RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, &fixed, sizeof fixed};
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
  request r{RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, &fixed, sizeof fixed};
  std::vector<link_address> found;
  const auto done = exchange(r, "netlink RTM_GETADDR", [&](const nlmsghdr& h) {
    ifaddrmsg m{};
    if (h.nlmsg_type != RTM_NEWADDR || !read_fixed(h, m) || m.ifa_index != index) return;
    link_address a;
    protocol::ip_address address;
    a.prefix = m.ifa_prefixlen;
    each_attribute(h, sizeof m, [&](std::uint16_t type, const std::uint8_t* data, std::size_t n) {
      if (type == IFA_LOCAL) a.local = address_of(data, n);
      if (type == IFA_ADDRESS) address = address_of(data, n);
    });
    // IPv6 sends IFA_LOCAL only where there is a peer; IPv4 sends both attributes always.
    if (!a.local) a.local = address;
    if (address != a.local) a.peer = address;
    found.push_back(a);
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
  request r{type, flags, &fixed, sizeof fixed};
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
  request r{RTM_GETROUTE, NLM_F_REQUEST | NLM_F_ACK, &fixed, sizeof fixed};
  r.address(RTA_DST, to);
  if (mark != 0) r.number(RTA_MARK, mark);
  std::optional<std::uint32_t> found;
  const auto done = exchange(r, "netlink RTM_GETROUTE", [&](const nlmsghdr& h) {
    rtmsg m{};
    if (h.nlmsg_type != RTM_NEWROUTE || !read_fixed(h, m) || m.rtm_type != RTN_UNICAST) return;
    each_attribute(h, sizeof m, [&](std::uint16_t type, const std::uint8_t* data, std::size_t n) {
      if (type == RTA_OIF) found = number_of(data, n);
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
  request r{RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, &fixed, sizeof fixed};
  std::vector<default_route> found;
  const auto done = exchange(r, "netlink RTM_GETROUTE", [&](const nlmsghdr& h) {
    rtmsg m{};
    if (h.nlmsg_type != RTM_NEWROUTE || !read_fixed(h, m)) return;
    if (m.rtm_dst_len != 0 || m.rtm_table != RT_TABLE_MAIN || m.rtm_type != RTN_UNICAST) return;
    default_route route;
    route.learnt = m.rtm_protocol == RTPROT_RA;
    each_attribute(h, sizeof m, [&](std::uint16_t type, const std::uint8_t* data, std::size_t n) {
      if (type == RTA_OIF) route.index = number_of(data, n);
      if (type == RTA_PRIORITY) route.metric = number_of(data, n);
      // A route with several next hops: the first one is taken.
      if (type == RTA_MULTIPATH && n >= sizeof(rtnexthop))
        route.index = number_of(data + offsetof(rtnexthop, rtnh_ifindex), sizeof(std::uint32_t));
    });
    if (route.index != 0) found.push_back(route);
  });
  if (!done) return unexpected{done.error()};
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.metric < b.metric; });
  return found;
}

} // namespace tonel::sys
