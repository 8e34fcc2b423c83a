#include "system/netlink_watch.hpp"

#include "system/linux/netlink_message.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace tonel::sys {

namespace {

constexpr std::uint32_t bit(int group) { return std::uint32_t{1} << (group - 1); }

/// The nftables table that a message is about: its name is the first attribute of tables, chains,
/// rules and sets alike.
std::string table_of(const nlmsghdr& h) {
  static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1);
  if (h.nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES) return {};
  std::string name;
  each_attribute(h, sizeof(nfgenmsg), [&](const netlink_attribute& a) {
    if (a.type() == NFTA_TABLE_NAME) name = a.text();
  });
  return name;
}

std::uint32_t groups_of(netlink_watch::subject what) noexcept {
  using subject = netlink_watch::subject;
  if (what == subject::rules) return bit(NFNLGRP_NFTABLES);
  const auto ways = bit(RTNLGRP_LINK) | bit(RTNLGRP_IPV4_ROUTE) | bit(RTNLGRP_IPV6_ROUTE) |
                    bit(RTNLGRP_IPV4_IFADDR) | bit(RTNLGRP_IPV6_IFADDR);
  if (what == subject::device) return ways;
  return ways | bit(RTNLGRP_IPV4_RULE) | bit(RTNLGRP_IPV6_RULE) | bit(RTNLGRP_IPV4_NETCONF) |
         bit(RTNLGRP_IPV6_NETCONF);
}

/// The interface that a message of rtnetlink is about; 0: none, or several.
std::uint32_t link_of(const nlmsghdr& h) {
  switch (h.nlmsg_type) {
  case RTM_NEWLINK:
  case RTM_DELLINK: {
    ifinfomsg m{};
    return read_fixed(h, m) ? static_cast<std::uint32_t>(m.ifi_index) : 0;
  }
  case RTM_NEWADDR:
  case RTM_DELADDR: {
    ifaddrmsg m{};
    return read_fixed(h, m) ? m.ifa_index : 0;
  }
  case RTM_NEWROUTE:
  case RTM_DELROUTE: {
    std::uint32_t index = 0;
    each_attribute(h, sizeof(rtmsg), [&](const netlink_attribute& a) {
      if (a.type() == RTA_OIF) index = a.number();
    });
    return index;
  }
  default: return 0;
  }
}

/// Whether ways may be others after it. The kernel does not tell of IPv4 routes that go with their
/// interface, and tells of interfaces in whose state nothing has changed.
bool changes_ways(const nlmsghdr& h) {
  ifinfomsg m{};
  return h.nlmsg_type != RTM_NEWLINK || !read_fixed(h, m) || m.ifi_change != 0;
}

} // namespace

result<netlink_watch> netlink_watch::open(kernel& k, subject what) {
  const bool rules = what == subject::rules;
  descriptor fd{
      k, k.socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, rules ? NETLINK_NETFILTER : NETLINK_ROUTE)};
  if (!fd) return unexpected{os_error{-fd.get(), "socket AF_NETLINK", {}}};
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups_of(what);
  if (const int e = k.bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
      e < 0)
    return unexpected{os_error{-e, "bind AF_NETLINK", rules ? "nftables" : "routes"}};
  return netlink_watch{k, std::move(fd), what};
}

netlink_changes netlink_watch::take() {
  netlink_changes out;
  alignas(nlmsghdr) std::array<std::uint8_t, 32'768> buffer{};
  for (;;) {
    const long got = kernel_->recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got == -ENOBUFS) {
      out.something = out.lost = true;
      continue;
    }
    if (got <= 0) return out;
    each_message({buffer.data(), static_cast<std::size_t>(got)}, [&](const nlmsghdr& h) {
      take(h, out);
      return true;
    });
  }
}

void netlink_watch::take(const nlmsghdr& h, netlink_changes& out) const {
  const auto add = [](auto& list, auto&& one) {
    if (list.empty() || list.back() != one) list.push_back(std::forward<decltype(one)>(one));
  };
  switch (what_) {
  case subject::rules:
    out.something = true;
    if (auto table = table_of(h); !table.empty()) add(out.tables, std::move(table));
    break;
  case subject::routes: out.something = out.something || changes_ways(h); break;
  case subject::device:
    if (const auto link = link_of(h); link != 0) add(out.links, link);
    out.something = true;
    break;
  }
}

} // namespace tonel::sys
