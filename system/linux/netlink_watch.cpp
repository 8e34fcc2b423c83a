#include "system/netlink_watch.hpp"

#include "system/linux/netlink_message.hpp"

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

} // namespace

result<netlink_watch> netlink_watch::open(kernel& k, subject what) {
  const bool rules = what == subject::rules;
  descriptor fd{
      k, k.socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, rules ? NETLINK_NETFILTER : NETLINK_ROUTE)};
  if (!fd) return unexpected{os_error{-fd.get(), "socket AF_NETLINK", {}}};
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = rules ? bit(NFNLGRP_NFTABLES)
                            : bit(RTNLGRP_IPV4_ROUTE) | bit(RTNLGRP_IPV6_ROUTE) |
                                  bit(RTNLGRP_IPV4_IFADDR) | bit(RTNLGRP_IPV6_IFADDR) |
                                  bit(RTNLGRP_IPV4_NETCONF) | bit(RTNLGRP_IPV6_NETCONF);
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
    out.something = true;
    if (what_ != subject::rules) continue;
    each_message({buffer.data(), static_cast<std::size_t>(got)}, [&](const nlmsghdr& h) {
      auto table = table_of(h);
      if (!table.empty() && (out.tables.empty() || out.tables.back() != table))
        out.tables.push_back(std::move(table));
      return true;
    });
  }
}

} // namespace tonel::sys
