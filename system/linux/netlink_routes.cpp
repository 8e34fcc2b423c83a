#include "system/linux/netlink.hpp"
#include "system/linux/netlink_message.hpp"

#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tonel::sys {

namespace {

std::uint8_t family_of(bool v6) noexcept { return v6 ? AF_INET6 : AF_INET; }

protocol::ip_address any_of(bool v6) noexcept {
  static constexpr std::uint8_t zero[16] = {};
  return v6 ? protocol::ip_address::v6(zero) : protocol::ip_address::v4(zero);
}

/// A gateway of the other family. None: it is not well-formed.
/// Source: linux/rtnetlink.h, rtvia: a family and the address's octets
protocol::ip_address read_via(const netlink_attribute& a) {
  std::uint16_t family = 0;
  if (a.size() < sizeof family) return {};
  std::memcpy(&family, a.data(), sizeof family);
  const auto* octets = a.data() + sizeof family;
  const auto size = a.size() - sizeof family;
  if (family == AF_INET && size == 4) return protocol::ip_address::v4(octets);
  if (family == AF_INET6 && size == 16) return protocol::ip_address::v6(octets);
  return {};
}

void write_via(netlink_request& into, const protocol::ip_address& gateway) {
  std::uint8_t via[sizeof(std::uint16_t) + 16] = {};
  const std::uint16_t family = family_of(gateway.is_v6());
  std::memcpy(via, &family, sizeof family);
  std::memcpy(via + sizeof family, gateway.data(), gateway.size());
  into.attribute(RTA_VIA, via, sizeof family + gateway.size());
}

/// Source: man 7 rtnetlink, RTA_MULTIPATH: rtnexthop after rtnexthop, each with attributes of its own
void read_hops(const netlink_attribute& all, std::vector<route::hop>& into) {
  const auto* at = all.data();
  for (auto left = all.size(); left >= sizeof(rtnexthop);) {
    rtnexthop next{};
    std::memcpy(&next, at, sizeof next);
    if (next.rtnh_len < sizeof next || next.rtnh_len > left) return;
    route::hop hop;
    hop.index = static_cast<std::uint32_t>(next.rtnh_ifindex);
    each_attribute({at + sizeof next, next.rtnh_len - sizeof next}, [&](const auto& a) {
      if (a.type() == RTA_GATEWAY) hop.gateway = a.address();
      if (a.type() == RTA_VIA) hop.gateway = read_via(a);
    });
    into.push_back(hop);
    const auto step = std::min<std::size_t>(RTNH_ALIGN(next.rtnh_len), left);
    at += step;
    left -= step;
  }
}

std::optional<route> read_route(const nlmsghdr& h) {
  rtmsg m{};
  if (h.nlmsg_type != RTM_NEWROUTE || !read_fixed(h, m)) return {};
  if (m.rtm_family != AF_INET && m.rtm_family != AF_INET6) return {};
  route out;
  out.to = {any_of(m.rtm_family == AF_INET6), m.rtm_dst_len};
  out.table = m.rtm_table;
  out.type = m.rtm_type;
  out.protocol = m.rtm_protocol;
  route::hop only;
  each_attribute(h, sizeof m, [&](const netlink_attribute& a) {
    switch (a.type()) {
    case RTA_DST: out.to.address = a.address(); break;
    case RTA_OIF: only.index = a.number(); break;
    case RTA_GATEWAY: only.gateway = a.address(); break;
    case RTA_VIA: only.gateway = read_via(a); break;
    case RTA_PRIORITY: out.metric = a.number(); break;
    case RTA_TABLE: out.table = a.number(); break;
    case RTA_PREFSRC: out.source = a.address(); break;
    case RTA_MULTIPATH: read_hops(a, out.hops); break;
    default: break;
    }
  });
  if (out.hops.empty() && only.index != 0) out.hops.push_back(only);
  return out;
}

bool by(const route& r, std::uint32_t index) {
  return std::any_of(r.hops.begin(), r.hops.end(), [&](const auto& h) { return h.index == index; });
}

} // namespace

result<std::optional<route::hop>> route_netlink::way_to(const protocol::ip_address& to,
                                                        std::uint32_t mark,
                                                        const protocol::ip_address& from) {
  const auto found = route_to(to, mark, from);
  if (!found) return unexpected{found.error()};
  if (!*found || (*found)->type != RTN_UNICAST) return std::nullopt;
  return (*found)->hops.front();
}

result<std::optional<route>> route_netlink::route_to(const protocol::ip_address& to,
                                                     std::uint32_t mark,
                                                     const protocol::ip_address& from) {
  rtmsg fixed{};
  fixed.rtm_family = family_of(to.is_v6());
  fixed.rtm_dst_len = static_cast<unsigned char>(8 * to.size());
  if (from) fixed.rtm_src_len = static_cast<unsigned char>(8 * from.size());
  netlink_request r{RTM_GETROUTE, NLM_F_REQUEST | NLM_F_ACK, &fixed, sizeof fixed};
  r.address(RTA_DST, to);
  if (from) r.address(RTA_SRC, from);
  if (mark != 0) r.number(RTA_MARK, mark);
  std::optional<route> found;
  const auto done = exchange(r, "netlink RTM_GETROUTE", [&](const nlmsghdr& h) {
    auto way = read_route(h);
    if (way && (way->type == RTN_UNICAST || way->type == RTN_LOCAL) && !way->hops.empty())
      found = std::move(way);
  });
  if (!done) {
    const int e = done.error().number;
    if (e != ENETUNREACH && e != EHOSTUNREACH && e != ESRCH) return unexpected{done.error()};
  }
  return found;
}

result<void> route_netlink::each_route(const route_filter& which,
                                       const std::function<void(route)>& visit) {
  rtmsg fixed{};
  fixed.rtm_family = family_of(which.v6);
  netlink_request r{RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, &fixed, sizeof fixed};
  if (which.index != 0) r.number(RTA_OIF, which.index);
  if (which.table != 0) r.number(RTA_TABLE, which.table);
  auto done = exchange(r, "netlink RTM_GETROUTE", [&](const nlmsghdr& h) {
    auto one = read_route(h);
    // Kernels that don't filter give all.
    if (!one || (which.table != 0 && one->table != which.table)) return;
    if (which.index == 0 || by(*one, which.index)) visit(std::move(*one));
  });
  if (!done && done.error().number == ENOENT) return {};
  return done;
}

result<std::vector<route>> route_netlink::routes(const route_filter& which) {
  std::vector<route> found;
  const auto done = each_route(which, [&](route one) { found.push_back(std::move(one)); });
  if (!done) return unexpected{done.error()};
  return found;
}

result<std::vector<route>> route_netlink::default_routes(bool v6) {
  auto found = routes({v6, 0, RT_TABLE_MAIN});
  if (!found) return found;
  found->erase(std::remove_if(found->begin(), found->end(),
                              [](const route& r) {
                                return r.to.bits != 0 || r.type != RTN_UNICAST || r.hops.empty();
                              }),
               found->end());
  std::stable_sort(found->begin(), found->end(),
                   [](const auto& a, const auto& b) { return a.metric < b.metric; });
  return found;
}

result<void> route_netlink::change_route(std::uint16_t type, std::uint16_t flags,
                                         const char* operation, const route& r) {
  const auto& hop = r.hops.front();
  rtmsg fixed{};
  fixed.rtm_family = family_of(r.to.address.is_v6());
  fixed.rtm_dst_len = static_cast<unsigned char>(r.to.bits);
  fixed.rtm_table = RT_TABLE_UNSPEC; // it may be beyond an octet
  fixed.rtm_protocol = r.protocol;
  fixed.rtm_scope = hop.gateway || r.to.address.is_v6() ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  fixed.rtm_type = RTN_UNICAST;
  // Nothing asks whether the gateway is in a net of the interface.
  if (hop.gateway) fixed.rtm_flags = RTNH_F_ONLINK;
  netlink_request request{type, flags, &fixed, sizeof fixed};
  if (r.to.bits != 0) request.address(RTA_DST, r.to.address.network(r.to.bits));
  request.number(RTA_TABLE, r.table);
  request.number(RTA_OIF, hop.index);
  if (hop.gateway && hop.gateway.is_v6() != r.to.address.is_v6())
    write_via(request, hop.gateway);
  else if (hop.gateway)
    request.address(RTA_GATEWAY, hop.gateway);
  if (r.source) request.address(RTA_PREFSRC, r.source);
  if (r.metric != 0) request.number(RTA_PRIORITY, r.metric);
  auto done = exchange(request, operation);
  if (!done) done.error().detail = r.to.to_string();
  return done;
}

result<void> route_netlink::add_route(const route& r) {
  auto done = change_route(RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
                           "netlink RTM_NEWROUTE", r);
  if (!done && done.error().number == EEXIST) return {};
  return done;
}

result<void> route_netlink::remove_route(const route& r) {
  return change_route(RTM_DELROUTE, NLM_F_REQUEST | NLM_F_ACK, "netlink RTM_DELROUTE", r);
}

result<std::vector<policy_rule>> route_netlink::policy_rules(bool v6) {
  fib_rule_hdr fixed{};
  fixed.family = family_of(v6);
  netlink_request r{RTM_GETRULE, NLM_F_REQUEST | NLM_F_DUMP, &fixed, sizeof fixed};
  std::vector<policy_rule> found;
  const auto done = exchange(r, "netlink RTM_GETRULE", [&](const nlmsghdr& h) {
    fib_rule_hdr m{};
    if (h.nlmsg_type != RTM_NEWRULE || !read_fixed(h, m) || m.action != FR_ACT_TO_TBL) return;
    policy_rule rule;
    rule.v6 = v6;
    rule.others = (m.flags & FIB_RULE_INVERT) != 0;
    rule.table = m.table;
    each_attribute(h, sizeof m, [&](const netlink_attribute& a) {
      if (a.type() == FRA_PRIORITY) rule.priority = a.number();
      if (a.type() == FRA_FWMARK) rule.mark = a.number();
      if (a.type() == FRA_TABLE) rule.table = a.number();
      if (a.type() == FRA_IIFNAME) rule.from_device = a.text();
    });
    if (rule.mark != 0 && m.src_len == 0 && m.dst_len == 0) found.push_back(std::move(rule));
  });
  if (!done) return unexpected{done.error()};
  return found;
}

result<void> route_netlink::change_rule(std::uint16_t type, std::uint16_t flags,
                                        const char* operation, const policy_rule& r) {
  fib_rule_hdr fixed{};
  fixed.family = family_of(r.v6);
  fixed.action = FR_ACT_TO_TBL;
  netlink_request request{type, flags, &fixed, sizeof fixed};
  request.number(FRA_TABLE, r.table);
  request.number(FRA_PRIORITY, r.priority);
  request.number(FRA_FWMARK, r.mark);
  if (!r.from_device.empty()) request.text(FRA_IIFNAME, r.from_device);
  return exchange(request, operation);
}

result<void> route_netlink::add_rule(const policy_rule& r) {
  auto done = change_rule(RTM_NEWRULE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
                          "netlink RTM_NEWRULE", r);
  if (!done && done.error().number == EEXIST) return {};
  return done;
}

result<void> route_netlink::remove_rule(const policy_rule& r) {
  return change_rule(RTM_DELRULE, NLM_F_REQUEST | NLM_F_ACK, "netlink RTM_DELRULE", r);
}

} // namespace tonel::sys
