#include "actors/app/programs/tun_ends.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::actors;
using namespace tonel::actors::app;

namespace {

protocol::ip_address ip(const char* text) { return *protocol::ip_address::parse(text); }

config usual(bool chosen = false) {
  config out;
  out.tun.local4 = ip("192.168.200.1");
  out.tun.peer4 = ip("192.168.200.2");
  out.tun.local6 = ip("fcc8::1");
  out.tun.peer6 = ip("fcc8::2");
  out.tun.chosen4 = out.tun.chosen6 = chosen;
  return out;
}

std::string ends_of(const config& c) {
  return c.tun.local4.to_string() + ' ' + c.tun.peer4.to_string() + ' ' + c.tun.local6.to_string() +
         ' ' + c.tun.peer6.to_string();
}

const sys::host_net lan{{ip("192.168.200.0"), 24}, "eth0", true};
const sys::host_net lan6{{ip("fcc8::"), 64}, "eth0", true};
const sys::host_net vpn{{ip("192.168.0.0"), 16}, "wg0", false};

} // namespace

BOOST_AUTO_TEST_SUITE(tun_ends_test)

BOOST_AUTO_TEST_CASE(addresses_that_nobody_has_chosen_give_way_family_by_family) {
  auto c = usual();
  BOOST_TEST(!settle_ends(c, {}));
  BOOST_TEST(ends_of(c) == "192.168.200.1 192.168.200.2 fcc8::1 fcc8::2");
  BOOST_TEST(!settle_ends(c, {lan}));
  BOOST_TEST(ends_of(c) == "192.168.202.1 192.168.202.2 fcc8::1 fcc8::2");
  c = usual();
  BOOST_TEST(!settle_ends(c, {vpn, lan6}));
  BOOST_TEST(ends_of(c) == "172.31.200.1 172.31.200.2 fcc8:0:0:1::1 fcc8:0:0:1::2");
  c = usual();
  c.tun.ipv6 = false;
  BOOST_TEST(!settle_ends(c, {lan6}));
  BOOST_TEST(ends_of(c) == "192.168.200.1 192.168.200.2 fcc8::1 fcc8::2");
}

BOOST_AUTO_TEST_CASE(
    chosen_ones_that_the_host_or_its_neighbours_have_are_an_error_that_names_both) {
  auto c = usual(true);
  auto failed = settle_ends(c, {lan});
  BOOST_TEST_REQUIRE(failed.has_value());
  BOOST_TEST(failed->text == "--tun-local 192.168.200.1 is in 192.168.200.0/24, the net of eth0");
  BOOST_TEST(failed->advice.size() == 1u);
  failed = settle_ends(c, {{{ip("192.168.200.2"), 32}, "eth1", true}});
  BOOST_TEST_REQUIRE(failed.has_value());
  BOOST_TEST(failed->text == "--tun-peer 192.168.200.2 is in use, by device eth1");
  failed = settle_ends(c, {lan6});
  BOOST_TEST_REQUIRE(failed.has_value());
  BOOST_TEST(failed->text == "--tun-local6 fcc8::1 is in fcc8::/64, the net of eth0");
}

BOOST_AUTO_TEST_CASE(chosen_ones_in_a_net_behind_a_gateway_are_taken) {
  auto c = usual(true);
  BOOST_TEST(!settle_ends(c, {vpn}));
  BOOST_TEST(ends_of(c) == "192.168.200.1 192.168.200.2 fcc8::1 fcc8::2");
}

BOOST_AUTO_TEST_CASE(a_host_without_a_free_net_says_so) {
  auto c = usual();
  const auto failed = settle_ends(c, {{{ip("fc00::"), 7}, "eth0", true}});
  BOOST_TEST_REQUIRE(failed.has_value());
  BOOST_TEST(failed->text == "--tun-local6 fcc8::1 is in fc00::/7, the net of eth0, and so are all "
                             "nets that are tried instead");
}

BOOST_AUTO_TEST_CASE(a_remote_of_a_tunnel_is_not_the_device) {
  auto c = usual();
  tunnel_config tunnel;
  tunnel.remote = {"192.168.200.2", 443};
  c.tunnels = {std::make_shared<tunnel_config>(tunnel)};
  c.tun.name = "tonel-none";
  BOOST_TEST(!settle_ends(c, taken_nets(c)));
  BOOST_TEST((c.tun.peer4 != ip("192.168.200.2")));
}

BOOST_AUTO_TEST_CASE(the_device_of_another_program_keeps_its_addresses) {
  auto c = usual();
  c.tun.fd = 5;
  BOOST_TEST(taken_nets(c).empty());
}

BOOST_AUTO_TEST_SUITE_END()
