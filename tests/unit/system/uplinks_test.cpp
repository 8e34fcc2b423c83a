#include "system/linux/uplinks.hpp"

#include <boost/test/unit_test.hpp>

#include <linux/rtnetlink.h>

#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::sys;

namespace {

protocol::ip_address ip(const char* text) { return *protocol::ip_address::parse(text); }

route route_to(const char* net, unsigned bits, std::uint32_t index, const char* gateway = nullptr,
               std::uint32_t metric = 0) {
  route r;
  r.to = {ip(net), bits};
  r.hops = {{index, gateway != nullptr ? ip(gateway) : protocol::ip_address{}}};
  r.table = RT_TABLE_MAIN;
  r.type = RTN_UNICAST;
  r.metric = metric;
  return r;
}

uplink_facts facts(const char* device, std::uint32_t index, std::vector<route> routes) {
  uplink_facts out;
  out.device = device;
  out.index = index;
  out.routes = std::move(routes);
  return out;
}

/// "NET via GATEWAY dev INDEX" for each, in the table with that number.
std::string table_of(const uplink_plan& plan, std::uint32_t table) {
  std::string out;
  for (const auto& r : plan.routes) {
    if (r.table != table) continue;
    const auto& hop = r.hops.front();
    out += (out.empty() ? "" : ", ") + r.to.to_string();
    if (hop.gateway) out += " via " + hop.gateway.to_string();
    out += " dev " + std::to_string(hop.index);
  }
  return out;
}

const auto first =
    facts("w1", 2, {route_to("0.0.0.0", 0, 2, "10.1.0.1"), route_to("10.1.0.0", 24, 2)});

} // namespace

BOOST_AUTO_TEST_SUITE(uplinks_test)

BOOST_AUTO_TEST_CASE(a_host_with_one_way_out_has_nothing_to_choose) {
  const auto lan = facts("lan", 3, {route_to("10.8.0.0", 24, 3)});
  BOOST_TEST(uplinks_of({}).empty());
  BOOST_TEST(uplinks_of({first}).empty());
  BOOST_TEST(uplinks_of({first, lan}).empty());
}

BOOST_AUTO_TEST_CASE(an_uplink_has_a_default_route_in_the_main_table_or_by_a_rule_for_its_address) {
  const auto by_metric = facts("w2", 3, {route_to("0.0.0.0", 0, 3, "10.2.0.1", 200)});
  BOOST_TEST(uplinks_of({first, by_metric}).size() == 2u);
  auto by_rule = facts("w2", 3, {route_to("10.2.0.0", 24, 3)});
  BOOST_TEST(uplinks_of({first, by_rule}).empty());
  by_rule.own_way = route::hop{3, ip("10.2.0.1")};
  BOOST_TEST(uplinks_of({first, by_rule}).size() == 2u);
}

BOOST_AUTO_TEST_CASE(each_uplink_has_a_rule_for_its_mark_and_a_table_with_its_ways) {
  auto by_rule = facts("w2", 3, {route_to("10.2.0.0", 24, 3)});
  by_rule.own_way = route::hop{3, ip("10.2.0.1")};
  const auto plan = plan_uplinks({first, by_rule}, "tonel_t", "t", false);
  BOOST_TEST_REQUIRE(plan.rules.size() == 2u);
  for (const auto& rule : plan.rules) {
    BOOST_TEST(rule.from_device == "t");
    BOOST_TEST(rule.mark == rule.table);
  }
  BOOST_TEST(plan.rules[0].mark == uplink_number("tonel_t", 2));
  BOOST_TEST(plan.rules[1].mark == uplink_number("tonel_t", 3));
  BOOST_TEST(table_of(plan, plan.rules[0].table) ==
             "0.0.0.0/0 via 10.1.0.1 dev 2, 10.1.0.0/24 dev 2");
  BOOST_TEST(table_of(plan, plan.rules[1].table) ==
             "10.2.0.0/24 dev 3, 0.0.0.0/0 via 10.2.0.1 dev 3");
}

BOOST_AUTO_TEST_CASE(of_several_next_hops_each_table_has_its_own) {
  auto both = route_to("0.0.0.0", 0, 2, "10.1.0.1");
  both.hops.push_back({3, ip("10.2.0.1")});
  const auto plan =
      plan_uplinks({facts("w1", 2, {both}), facts("w2", 3, {both})}, "tonel_t", "t", false);
  BOOST_TEST(table_of(plan, plan.rules[0].table) == "0.0.0.0/0 via 10.1.0.1 dev 2");
  BOOST_TEST(table_of(plan, plan.rules[1].table) == "0.0.0.0/0 via 10.2.0.1 dev 3");
}

BOOST_AUTO_TEST_CASE(routes_that_lead_nowhere_are_not_copied) {
  auto with_one = first;
  with_one.routes.push_back(route_to("10.66.0.0", 16, 2));
  with_one.routes.back().type = RTN_BLACKHOLE;
  const auto plan = plan_uplinks({with_one}, "tonel_t", "t", false);
  BOOST_TEST(plan.routes.size() == 2u);
}

BOOST_AUTO_TEST_CASE(the_numbers_of_two_instances_are_apart_and_those_of_one_stay) {
  BOOST_TEST(uplink_numbers("tonel_tonel0") == uplink_numbers("tonel_tonel0"));
  BOOST_TEST(uplink_numbers("tonel_tonel0") != uplink_numbers("tonel_tonel1"));
  for (const char* instance : {"tonel_tonel0", "tonel_192.168.201.2"}) {
    const auto numbers = uplink_numbers(instance);
    BOOST_TEST(numbers % 4'096 == 0u);
    BOOST_TEST(numbers >> 24 == 0x74u);
    BOOST_TEST(uplink_number(instance, 7) == numbers + 7);
  }
}

BOOST_AUTO_TEST_SUITE_END()
