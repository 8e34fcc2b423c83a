#include "system/fake/fake_kernel.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tonel::sys {

namespace {

using octets = fake_kernel::octets;

void append(octets& to, const void* data, std::size_t size) {
  const auto* from = static_cast<const std::uint8_t*>(data);
  to.insert(to.end(), from, from + size);
  to.resize((to.size() + 3) / 4 * 4);
}

void append_attribute(octets& to, std::uint16_t type, const void* data, std::size_t size) {
  rtattr a{};
  a.rta_type = type;
  a.rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
  append(to, &a, sizeof a);
  append(to, data, size);
}

octets message(std::uint16_t type, std::uint32_t sequence, const octets& body) {
  nlmsghdr h{};
  h.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(body.size()));
  h.nlmsg_type = type;
  h.nlmsg_seq = sequence;
  octets m;
  append(m, &h, sizeof h);
  append(m, body.data(), body.size());
  return m;
}

octets acknowledgement(const nlmsghdr& request, int error) {
  nlmsgerr e{};
  e.error = error;
  e.msg = request;
  octets body;
  append(body, &e, sizeof e);
  return message(NLMSG_ERROR, request.nlmsg_seq, body);
}

protocol::ip_address as_address(const octets& a) {
  if (a.size() == 4) return protocol::ip_address::v4(a.data());
  if (a.size() == 16) return protocol::ip_address::v6(a.data());
  return {};
}

std::uint32_t as_number(const octets& a) {
  std::uint32_t n = 0;
  if (a.size() >= sizeof n) std::memcpy(&n, a.data(), sizeof n);
  return n;
}

std::map<int, octets> attributes(const octets& m, std::size_t at) {
  std::map<int, octets> all;
  while (at + sizeof(rtattr) <= m.size()) {
    rtattr a{};
    std::memcpy(&a, m.data() + at, sizeof a);
    if (a.rta_len < sizeof a || at + a.rta_len > m.size()) break;
    const auto first = m.begin() + static_cast<std::ptrdiff_t>(at);
    all[a.rta_type & NLA_TYPE_MASK] = {first + sizeof a, first + a.rta_len};
    at += RTA_ALIGN(std::size_t{a.rta_len});
  }
  return all;
}

std::string name_of(std::uint16_t type) {
  switch (type) {
  case RTM_GETLINK: return "netlink RTM_GETLINK";
  case RTM_NEWLINK: return "netlink RTM_NEWLINK";
  case RTM_GETADDR: return "netlink RTM_GETADDR";
  case RTM_NEWADDR: return "netlink RTM_NEWADDR";
  case RTM_DELADDR: return "netlink RTM_DELADDR";
  case RTM_GETROUTE: return "netlink RTM_GETROUTE";
  case RTM_NEWROUTE: return "netlink RTM_NEWROUTE";
  default: return "netlink";
  }
}

octets link_message(const std::string& name, const fake_kernel::link& l, std::uint32_t sequence) {
  ifinfomsg fixed{};
  fixed.ifi_index = l.index;
  fixed.ifi_flags = l.up ? unsigned{IFF_UP} : 0u;
  octets body;
  append(body, &fixed, sizeof fixed);
  append_attribute(body, IFLA_IFNAME, name.c_str(), name.size() + 1);
  append_attribute(body, IFLA_MTU, &l.mtu, sizeof l.mtu);
  append_attribute(body, IFLA_TXQLEN, &l.txqueuelen, sizeof l.txqueuelen);
  const std::uint8_t carrier = l.carrier ? 1 : 0;
  append_attribute(body, IFLA_CARRIER, &carrier, sizeof carrier);
  return message(RTM_NEWLINK, sequence, body);
}

void add_to(std::vector<protocol::ip_address>& routes, const protocol::ip_address& to) {
  if (std::find(routes.begin(), routes.end(), to) == routes.end()) routes.push_back(to);
}

octets route_message(const fake_kernel::link& l, const protocol::ip_address& to,
                     std::uint32_t sequence) {
  rtmsg fixed{};
  fixed.rtm_family = to.is_v4() ? AF_INET : AF_INET6;
  fixed.rtm_dst_len = static_cast<unsigned char>(8 * to.size());
  fixed.rtm_table = RT_TABLE_MAIN;
  fixed.rtm_type = RTN_UNICAST;
  octets body;
  append(body, &fixed, sizeof fixed);
  append_attribute(body, RTA_DST, to.data(), to.size());
  append_attribute(body, RTA_OIF, &l.index, sizeof l.index);
  return message(RTM_NEWROUTE, sequence, body);
}

octets address_message(const fake_kernel::link& l, const fake_kernel::assigned_address& a,
                       std::uint32_t sequence) {
  ifaddrmsg fixed{};
  fixed.ifa_family = a.local.is_v4() ? AF_INET : AF_INET6;
  fixed.ifa_prefixlen = static_cast<unsigned char>(a.prefix);
  fixed.ifa_index = static_cast<std::uint32_t>(l.index);
  octets body;
  append(body, &fixed, sizeof fixed);
  append_attribute(body, IFA_ADDRESS, a.peer.data(), a.peer.size());
  // IPv6 without a peer has no IFA_LOCAL.
  if (a.local.is_v4() || a.peer != a.local)
    append_attribute(body, IFA_LOCAL, a.local.data(), a.local.size());
  return message(RTM_NEWADDR, sequence, body);
}

} // namespace

/// Carries out the request and queues the answer.
void fake_kernel::answer_netlink(const octets& request) {
  nlmsghdr h{};
  std::memcpy(&h, request.data(), sizeof h);
  const auto acknowledge = [&](int error) {
    netlink_answers_.push_back(acknowledgement(h, error));
  };
  if (const int e = enter(name_of(h.nlmsg_type)); e != 0) return acknowledge(e);
  if (h.nlmsg_type == RTM_GETLINK || h.nlmsg_type == RTM_NEWLINK) {
    ifinfomsg fixed{};
    std::memcpy(&fixed, request.data() + NLMSG_HDRLEN, sizeof fixed);
    const auto given = attributes(request, NLMSG_HDRLEN + sizeof fixed);
    if (h.nlmsg_type == RTM_GETLINK) {
      const auto found = std::find_if(links.begin(), links.end(), [&](const auto& one) {
        const auto n = given.find(IFLA_IFNAME);
        return n == given.end() ? one.second.index == fixed.ifi_index
                                : one.first == reinterpret_cast<const char*>(n->second.data());
      });
      if (found == links.end()) return acknowledge(-ENODEV);
      auto answer = link_message(found->first, found->second, h.nlmsg_seq);
      const auto ack = acknowledgement(h, 0);
      answer.insert(answer.end(), ack.begin(), ack.end()); // both in one read, as the kernel may
      netlink_answers_.push_back(std::move(answer));
      return;
    }
    for (const auto& [name, l] : links)
      if (l.index == fixed.ifi_index) return acknowledge(change_link(name, request));
    return acknowledge(-ENODEV);
  }
  if (h.nlmsg_type == RTM_GETROUTE || h.nlmsg_type == RTM_NEWROUTE) return answer_routes(request);
  ifaddrmsg fixed{};
  std::memcpy(&fixed, request.data() + NLMSG_HDRLEN, sizeof fixed);
  if (h.nlmsg_type == RTM_GETADDR) {
    for (const auto& [name, l] : links)
      for (const auto& a : l.addresses)
        netlink_answers_.push_back(address_message(l, a, h.nlmsg_seq));
    netlink_answers_.push_back(message(NLMSG_DONE, h.nlmsg_seq, octets(4)));
    return;
  }
  const auto given = attributes(request, NLMSG_HDRLEN + sizeof fixed);
  const assigned_address wanted{as_address(given.at(IFA_LOCAL)), as_address(given.at(IFA_ADDRESS)),
                                fixed.ifa_prefixlen};
  for (auto& [name, l] : links) {
    if (l.index != static_cast<int>(fixed.ifa_index)) continue;
    const auto there =
        std::find_if(l.addresses.begin(), l.addresses.end(),
                     [&](const assigned_address& a) { return a.local == wanted.local; });
    if (h.nlmsg_type == RTM_NEWADDR) {
      if (there != l.addresses.end()) return acknowledge(-EEXIST);
      l.addresses.push_back(wanted);
      add_to(l.routes, wanted.peer);
    } else {
      if (there == l.addresses.end()) return acknowledge(-EADDRNOTAVAIL);
      l.addresses.erase(there);
    }
    return acknowledge(0);
  }
  acknowledge(-ENODEV);
}

/// Gives the error of an RTM_NEWLINK, or 0.
int fake_kernel::change_link(const std::string& name, const octets& request) {
  ifinfomsg fixed{};
  std::memcpy(&fixed, request.data() + NLMSG_HDRLEN, sizeof fixed);
  const auto given = attributes(request, NLMSG_HDRLEN + sizeof fixed);
  auto& l = links.at(name);
  const auto renamed = given.find(IFLA_IFNAME);
  if (renamed != given.end()) {
    // The name comes before the flags of the same request.
    if (l.up && !renames_up) return -EBUSY;
    if (links.count(reinterpret_cast<const char*>(renamed->second.data())) != 0) return -EEXIST;
  }
  if (const auto a = given.find(IFLA_MTU); a != given.end()) l.mtu = as_number(a->second);
  if (const auto a = given.find(IFLA_TXQLEN); a != given.end()) l.txqueuelen = as_number(a->second);
  if (given.count(IFLA_AF_SPEC) != 0) l.link_local_off = !l.up;
  if ((fixed.ifi_change & IFF_UP) != 0) l.up = (fixed.ifi_flags & IFF_UP) != 0;
  if (!l.up) {
    const auto is_v6 = [](const assigned_address& a) { return a.local.is_v6(); };
    l.addresses.erase(std::remove_if(l.addresses.begin(), l.addresses.end(), is_v6),
                      l.addresses.end());
    l.routes.clear();
  }
  if (renamed != given.end()) {
    auto moved = links.extract(name);
    moved.key() = reinterpret_cast<const char*>(renamed->second.data());
    links.insert(std::move(moved));
  }
  return 0;
}

/// Tells the routes of a family, or makes one.
void fake_kernel::answer_routes(const octets& request) {
  nlmsghdr h{};
  std::memcpy(&h, request.data(), sizeof h);
  rtmsg fixed{};
  std::memcpy(&fixed, request.data() + NLMSG_HDRLEN, sizeof fixed);
  if (h.nlmsg_type == RTM_GETROUTE) {
    for (const auto& [name, l] : links)
      for (const auto& to : l.routes)
        if (to.is_v4() == (fixed.rtm_family == AF_INET))
          netlink_answers_.push_back(route_message(l, to, h.nlmsg_seq));
    netlink_answers_.push_back(message(NLMSG_DONE, h.nlmsg_seq, octets(4)));
    return;
  }
  const auto given = attributes(request, NLMSG_HDRLEN + sizeof fixed);
  for (auto& [name, l] : links)
    if (l.index == static_cast<int>(as_number(given.at(RTA_OIF))))
      add_to(l.routes, as_address(given.at(RTA_DST)));
  netlink_answers_.push_back(acknowledgement(h, 0));
}

} // namespace tonel::sys
