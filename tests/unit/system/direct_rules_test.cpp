#include "system/direct_rules.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::sys;
using protocol::ip_address;

namespace {

using names = std::vector<std::string>;

const protocol::endpoint remote{ip_address::v4(192, 0, 2, 1), 443};

rule_request server_request(std::string interface = "auto") {
  rule_request out;
  out.plan.server = true;
  out.plan.tun = "tun7";
  out.plan.ports = {443, 8443, 443}; // a port in two lists, as while a reload goes on
  out.interface = std::move(interface);
  return out;
}

rule_request client_request(std::string interface = "auto") {
  rule_request out;
  out.plan.tun = "tun7";
  out.plan.remotes = {remote, {ip_address{}, 444}}; // the second is not resolved yet
  out.plan.mark = 7;
  out.interface = std::move(interface);
  return out;
}

host_way way(std::uint32_t device, std::string name, bool inside = false) {
  return {remote.address, ip_address::v4(10, 0, 0, 5), device, std::move(name), inside};
}

} // namespace

BOOST_AUTO_TEST_SUITE(direct_rules_test)

BOOST_AUTO_TEST_CASE(
    a_server_takes_each_port_once_at_all_devices_with_addresses_and_from_its_host) {
  const auto plan =
      plan_direct(server_request(), {{}, {"eth0", "wg0", "tun7", "tun8"}}, {"tun7", "tun8"});
  BOOST_TEST(plan.server);
  BOOST_TEST(plan.tun == "tun7");
  BOOST_TEST(plan.uplinks == (names{"eth0", "wg0", "lo"}));
  BOOST_REQUIRE(plan.ports.size() == 2u);
  BOOST_TEST(plan.ports[0].port == 443u);
  BOOST_TEST(plan.ports[1].port == 8443u);
  BOOST_TEST(plan.remotes.empty());
}

BOOST_AUTO_TEST_CASE(a_port_is_for_those_who_are_allowed) {
  auto request = server_request();
  request.plan.allow[443] = {*ip_net::parse("192.0.2.0/24"), *ip_net::parse("2001:db8::/32")};
  const auto plan = plan_direct(request, {{}, {"eth0"}}, {});
  BOOST_REQUIRE(plan.ports.size() == 2u);
  BOOST_TEST((plan.ports[0].allow == request.plan.allow[443]));
  BOOST_TEST(plan.ports[1].allow.empty());
}

BOOST_AUTO_TEST_CASE(a_named_interface_is_the_only_one) {
  const way_facts facts{{way(2, "eth0")}, {"eth0", "eth1"}};
  BOOST_TEST(plan_direct(server_request("eth1"), facts, {}).uplinks == names{"eth1"});
  BOOST_TEST(plan_direct(client_request("eth1"), facts, {}).uplinks == names{"eth1"});
}

BOOST_AUTO_TEST_CASE(a_clients_packets_leave_by_the_routes_device_which_comes_first) {
  const auto plan = plan_direct(client_request(), {{way(3, "eth1")}, {"eth0", "eth1"}}, {"tun7"});
  BOOST_TEST(!plan.server);
  BOOST_TEST(plan.uplinks == (names{"eth1", "eth0"}));
  BOOST_REQUIRE(plan.remotes.size() == 1u);
  BOOST_TEST((plan.remotes[0].at == remote));
  BOOST_TEST(plan.remotes[0].device == 3u);
  BOOST_TEST(plan.mark.value_or(0) == 7u);
}

BOOST_AUTO_TEST_CASE(a_remote_without_a_route_is_left_out) {
  way_facts facts{{way(0, "")}, {"eth0"}};
  facts.ways.front().source = {};
  BOOST_TEST(plan_direct(client_request(), facts, {}).remotes.empty());
}

BOOST_AUTO_TEST_CASE(a_remote_on_the_clients_own_host_is_met_at_the_loopback) {
  const auto plan = plan_direct(client_request(), {{way(1, "lo", true)}, {"eth0"}}, {});
  BOOST_TEST(plan.uplinks == (names{"eth0", "lo"}));
  BOOST_TEST(plan.remotes.at(0).device == 1u);
}

BOOST_AUTO_TEST_CASE(answers_leave_as_the_option_says) {
  auto request = server_request();
  BOOST_TEST(!plan_direct(request, {}, {}).reply_by_arrival);
  request.reply_by_arrival = true;
  BOOST_TEST(plan_direct(request, {}, {}).reply_by_arrival);
}

BOOST_AUTO_TEST_SUITE_END()
