#include "system/linux/uplinks.hpp"

#include "system/instance_state.hpp"
#include "system/posix/host_parts.hpp"
#include "system/posix/interfaces.hpp"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <map>

namespace tonel::sys {

namespace {

using protocol::ip_address;

constexpr std::uint32_t numbers_an_instance = 4'096;
// Ahead of the rules that "ip rule add" makes, from 32765 downwards.
constexpr std::uint32_t rule_priority = 7'465;
constexpr std::size_t most_routes = 256; // that are copied of an interface's

/// An address of nobody (RFC 5737, RFC 3849): a packet to it takes the default route.
ip_address anywhere(bool v6) { return *ip_address::parse(v6 ? "2001:db8::1" : "192.0.2.1"); }

bool is_default(const route& r) noexcept { return r.to.bits == 0; }

bool has_default(const uplink_facts& u) {
  return u.own_way || std::any_of(u.routes.begin(), u.routes.end(), is_default);
}

bool same(const route& a, const route& b) noexcept {
  return a.table == b.table && a.metric == b.metric && a.to.bits == b.to.bits &&
         a.to.address.network(a.to.bits) == b.to.address.network(b.to.bits) &&
         a.hops.front().index == b.hops.front().index &&
         a.hops.front().gateway == b.hops.front().gateway;
}

bool has(const std::vector<route>& all, const route& one) {
  return std::any_of(all.begin(), all.end(), [&](const route& r) { return same(r, one); });
}

/// Whether an instance may take the rule away. Another one may have the same numbers, but not the same
/// TUN; what a killed one has left names a TUN that is gone.
bool is_of(const policy_rule& rule, const std::string& instance, const std::string& tun) {
  if (rule.others) return false;
  if (rule.mark / numbers_an_instance != uplink_numbers(instance) / numbers_an_instance)
    return false;
  return rule.from_device == tun || ::if_nametoindex(rule.from_device.c_str()) == 0;
}

/// The routes of the main table by an interface. A router may have the whole internet's, of which a
/// copy would cost more than it is good for: an answer takes the default route then.
result<std::vector<route>> routes_by(route_netlink& netlink, std::uint32_t index, bool v6) {
  std::vector<route> out;
  std::size_t count = 0;
  const auto is_far = [](const route& r) { return r.hops.front().gateway && !is_default(r); };
  const auto done = netlink.each_route({v6, index, RT_TABLE_MAIN}, [&](route r) {
    if (++count == most_routes + 1)
      out.erase(std::remove_if(out.begin(), out.end(), is_far), out.end());
    if (out.size() < most_routes && (count <= most_routes || !is_far(r)))
      out.push_back(std::move(r));
  });
  if (!done) return unexpected{done.error()};
  return out;
}

/// Adds what is missing in the tables, and removes what is not wanted there.
result<void> keep_tables(route_netlink& netlink, const uplink_plan& wanted, bool v6) {
  for (const auto& rule : wanted.rules) {
    const auto there = netlink.routes({v6, 0, rule.table});
    if (!there) return unexpected{there.error()};
    for (const auto& r : *there)
      if (!has(wanted.routes, r)) (void)netlink.remove_route(r);
    for (const auto& r : wanted.routes) {
      if (r.table != rule.table || has(*there, r)) continue;
      if (auto done = netlink.add_route(r); !done) return done;
    }
  }
  return {};
}

/// Before the rule, so that a process which is killed in between leaves no routes that nothing names.
void remove_rule(route_netlink& netlink, const policy_rule& rule,
                 const std::vector<policy_rule>& all) {
  const auto names_it = [&](const policy_rule& r) { return r.table == rule.table; };
  if (std::count_if(all.begin(), all.end(), names_it) == 1)
    for (const auto& r : netlink.routes({rule.v6, 0, rule.table}).value_or(std::vector<route>{}))
      (void)netlink.remove_route(r);
  (void)netlink.remove_rule(rule);
}

} // namespace

std::uint32_t uplink_numbers(std::string_view instance) noexcept {
  std::uint32_t hash = 2'166'136'261u; // FNV-1a
  for (const char c : instance)
    hash = (hash ^ static_cast<std::uint8_t>(c)) * 16'777'619u;
  // "t", and 12 bits of the instance.
  return 0x74000000u | ((hash ^ (hash >> 12)) & 0xfffu) * numbers_an_instance;
}

std::uint32_t uplink_number(std::string_view instance, std::uint32_t index) noexcept {
  return uplink_numbers(instance) | (index & (numbers_an_instance - 1));
}

std::vector<uplink_facts> uplinks_of(std::vector<uplink_facts> all) {
  all.erase(std::remove_if(all.begin(), all.end(), [](const auto& u) { return !has_default(u); }),
            all.end());
  if (all.size() < 2) all.clear();
  return all;
}

uplink_plan plan_uplinks(const std::vector<uplink_facts>& uplinks, std::string_view instance,
                         const std::string& tun, bool v6) {
  uplink_plan out;
  for (const auto& u : uplinks) {
    const auto number = uplink_number(instance, u.index);
    out.rules.push_back({v6, rule_priority, number, number, tun});
    const auto first = out.routes.size();
    const auto add = [&](const ip_net& to, const route::hop& hop, std::uint32_t metric) {
      route copy;
      copy.to = to;
      copy.hops = {hop};
      copy.table = number;
      copy.metric = metric == 0 && v6 ? 1'024 : metric; // as the kernel takes none
      copy.protocol = RTPROT_STATIC;
      out.routes.push_back(std::move(copy));
    };
    for (const auto& r : u.routes)
      for (const auto& hop : r.hops)
        if (r.type == RTN_UNICAST && hop.index == u.index) add(r.to, hop, r.metric);
    const auto begin = out.routes.begin() + static_cast<std::ptrdiff_t>(first);
    if (u.own_way && std::none_of(begin, out.routes.end(), is_default))
      add({anywhere(v6), 0}, *u.own_way, 0);
  }
  return out;
}

result<std::vector<uplink_facts>> find_uplinks(route_netlink& netlink, const std::string& tun,
                                               bool v6) {
  const auto addresses = netlink.addresses(0);
  if (!addresses) return unexpected{addresses.error()};
  std::map<std::uint32_t, std::vector<ip_address>> by_index;
  for (const auto& a : *addresses)
    if (a.local.is_v6() == v6 && is_global(a.local) && !a.local.is_loopback())
      by_index[a.index].push_back(a.local);
  std::vector<uplink_facts> out;
  for (const auto& [index, locals] : by_index) {
    uplink_facts facts;
    facts.index = index;
    facts.device = interface_name(index);
    if (facts.device.empty() || facts.device == tun) continue;
    out.push_back(std::move(facts));
  }
  if (out.size() < 2) return std::vector<uplink_facts>{};
  for (auto& facts : out) {
    for (const auto& local : by_index[facts.index]) {
      const auto way = netlink.way_to(anywhere(v6), 0, local);
      if (way && *way && (*way)->index == facts.index) facts.own_way = **way;
    }
    auto routes = routes_by(netlink, facts.index, v6);
    if (!routes) return unexpected{routes.error()};
    facts.routes = std::move(*routes);
  }
  return uplinks_of(std::move(out));
}

// What host_rules asks of its system.

std::vector<uplink_mark> uplink_marks(const rule_plan& plan) {
  std::map<std::string, std::uint32_t> marks;
  // Who marks packets has rules for them.
  if (!plan.server || plan.mark || plan.nat != nat_mode::conntrack) return {};
  auto netlink = route_netlink::open(real_kernel());
  if (!netlink) return {};
  for (const bool v6 : {false, true}) {
    if (v6 && !plan.peer6) continue;
    const auto found = find_uplinks(*netlink, plan.tun, v6);
    if (!found) continue;
    for (const auto& u : *found)
      marks[u.device] = uplink_number(plan.table, u.index);
  }
  std::vector<uplink_mark> out;
  out.reserve(marks.size());
  for (auto& [device, mark] : marks)
    out.push_back({device, mark});
  return out;
}

result<bool> keep_uplinks(const rule_plan& plan) {
  bool missing = false;
  auto netlink = route_netlink::open(real_kernel());
  if (!netlink) return unexpected{netlink.error()};
  for (const bool v6 : {false, true}) {
    uplink_plan wanted;
    if (!plan.uplinks.empty() && (!v6 || plan.peer6)) {
      const auto found = find_uplinks(*netlink, plan.tun, v6);
      if (!found) return unexpected{found.error()};
      wanted = plan_uplinks(*found, plan.table, plan.tun, v6);
    }
    const auto rules = netlink->policy_rules(v6);
    if (!rules) continue; // a host without this family
    for (const auto& r : *rules) {
      const bool stays =
          std::find(wanted.rules.begin(), wanted.rules.end(), r) != wanted.rules.end();
      if (!stays && is_of(r, plan.table, plan.tun)) remove_rule(*netlink, r, *rules);
    }
    // A rule whose table is empty changes no packet's way.
    for (const auto& r : wanted.rules) {
      if (std::find(rules->begin(), rules->end(), r) != rules->end()) continue;
      missing = true;
      if (auto done = netlink->add_rule(r); !done) return unexpected{done.error()};
    }
    if (auto done = keep_tables(*netlink, wanted, v6); !done) return unexpected{done.error()};
  }
  return missing;
}

void remove_uplinks(const std::string& instance) noexcept {
  rule_plan none;
  none.table = instance;
  none.tun = tun_of(instance);
  (void)keep_uplinks(none);
}

std::vector<std::string> uplink_obstacles(const rule_plan& plan) {
  std::vector<std::string> out;
  const auto value = [](std::string device) {
    std::replace(device.begin(), device.end(), '.', '/');
    return read_sysctl("net.ipv4.conf." + device + ".rp_filter").value_or("0");
  };
  for (const auto& uplink : plan.uplinks)
    if (std::max(value("all"), value(uplink.device)) == "1")
      out.push_back("the strict rp_filter of " + uplink.device +
                    " drops what comes in by it from where no route of the main table leads by it; "
                    "sysctl -w net.ipv4.conf." +
                    uplink.device + ".rp_filter=2 lets it pass");
  return out;
}

} // namespace tonel::sys
