#include "actors/app/settings/host_commands.hpp"
#include "actors/app/settings/validate.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

using namespace tonel;
using namespace tonel::actors;
using namespace tonel::actors::app;

namespace {

settings configure(role side, const std::vector<std::string>& arguments) {
  const auto r = validate(side, parse_command_line(side, arguments));
  BOOST_TEST_REQUIRE(r.has_value());
  return *r;
}

settings client(std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"-l127.0.0.1:1", "-r192.0.2.1:443"});
  return configure(role::client, more);
}

} // namespace

BOOST_AUTO_TEST_SUITE(host_commands_test)

BOOST_AUTO_TEST_CASE(the_table_has_a_name_that_is_the_same_at_each_start) {
  BOOST_TEST(rule_request_of(client({"--tun", "vpn"}), "vpn").plan.table == "tonel_vpn");
  // The kernel's choice of today may be another's device tomorrow.
  BOOST_TEST(rule_request_of(client(), "tun7").plan.table == "tonel_192.168.200.2");
  BOOST_TEST(rule_request_of(client({"--tun", "vpn%d"}), "vpn7").plan.table ==
             "tonel_192.168.200.2");
  BOOST_TEST(rule_request_of(client(), "tun7").plan.tun == "tun7");
}

BOOST_AUTO_TEST_CASE(settings_become_a_plan) {
  const auto request = rule_request_of(
      client({"--auto-rule", "eth0", "--fwmark", "0xca6c", "--nat", "stateless"}), "t");
  BOOST_TEST(request.interface == "eth0");
  BOOST_TEST(request.plan.mark.value() == 51820u);
  BOOST_TEST((request.plan.nat == sys::nat_mode::stateless));
  BOOST_TEST(!request.plan.server);
  BOOST_REQUIRE(request.plan.remotes.size() == 1);
  BOOST_TEST(request.plan.remotes[0].to_string() == "192.0.2.1:443");
  BOOST_TEST(request.plan.peer6.to_string() == "fcc8::2");
  const auto served =
      rule_request_of(configure(role::server, {"-l8443", "-ra.example:1", "-4"}), "t");
  BOOST_TEST(served.plan.server);
  BOOST_TEST((served.plan.ports == std::vector<std::uint16_t>{8443}));
  BOOST_TEST(!served.plan.peer6);
  BOOST_TEST(served.interface.empty());
  BOOST_TEST(served.plan.allow.empty());
  const auto closed = rule_request_of(
      configure(role::server, {"-l8443", "-ra.example:1", "--allow", "192.0.2.0/24"}), "t");
  BOOST_TEST_REQUIRE(closed.plan.allow.count(8443) == 1u);
  BOOST_TEST(closed.plan.allow.at(8443).front().to_string() == "192.0.2.0/24");
}

BOOST_AUTO_TEST_CASE(a_name_has_no_address_yet) {
  const auto request =
      rule_request_of(configure(role::client, {"-l127.0.0.1:1", "-ra.example:4443"}), "t");
  BOOST_REQUIRE(request.plan.remotes.size() == 1);
  BOOST_TEST(!request.plan.remotes[0].address);
  BOOST_TEST(request.plan.remotes[0].port == 4443);
}

BOOST_AUTO_TEST_CASE(the_commands_are_those_of_the_plan) {
  const auto chosen = client({"-4"});
  const auto got = host_commands(chosen, "tun0");
  const auto wanted = sys::shell_commands(rule_request_of(chosen, "tun0").plan);
  BOOST_CHECK_EQUAL_COLLECTIONS(got.begin(), got.end(), wanted.begin(), wanted.end());
  BOOST_TEST(got.front() == "sysctl -w net.ipv4.ip_forward=1");
}

BOOST_AUTO_TEST_CASE(the_text_of_print_rules_says_what_it_cannot_know) {
  const auto text = rules_text(client());
  BOOST_TEST_REQUIRE(text.has_value());
  BOOST_TEST(text->find("# The kernel picks the device's name; tun0 stands for it.\n") == 0u);
  const auto named = rules_text(client({"--tun", "vpn"}));
  BOOST_TEST_REQUIRE(named.has_value());
  BOOST_TEST(named->find("sysctl -w") == 0u);
  BOOST_TEST(!rules_text(client({"--auto-rule", "no-such-device"})).has_value());
}

BOOST_AUTO_TEST_CASE(print_rules_for_iptables) {
  const auto text = rules_text(client({"--firewall", "iptables", "--tun", "vpn"}));
  BOOST_TEST_REQUIRE(text.has_value());
  BOOST_TEST(text->find("iptables -w -t nat -I POSTROUTING 1 ") != std::string::npos);
  BOOST_TEST(text->find("nft ") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
