#include "actors/app/programs/judged_remotes.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::actors;
using namespace tonel::actors::app;
using protocol::ip_address;

namespace {

const ip_address own = ip_address::v4(10, 5, 0, 1);

/// A host with IPv4 alone.
const ways host{
    [](const ip_address& a) { return a.is_v4(); },
    [](const ip_address& a) { return a == own ? std::optional<std::string>{"d0"} : std::nullopt; }};

std::vector<protocol::endpoint> at(const std::vector<const char*>& addresses) {
  std::vector<protocol::endpoint> out;
  for (const char* a : addresses)
    out.push_back({*ip_address::parse(a), 443});
  return out;
}

judged_remotes judged(const std::vector<const char*>& found, role side = role::client) {
  tun_config tun;
  tun.name = "tonel0";
  tun.local4 = ip_address::v4(192, 168, 200, 1);
  tun.chosen4 = true;
  return judge(at(found), side, tun, host);
}

bool says(const std::string& text, const char* what) { return text.find(what) != text.npos; }

} // namespace

BOOST_AUTO_TEST_SUITE(judged_remotes_test)

BOOST_AUTO_TEST_CASE(addresses_that_packets_from_a_tun_device_cannot_reach_are_left_out_and_named) {
  const struct {
    const char* address;
    const char* says;
  } rows[] = {
      {"127.0.1.1", "127.0.1.1 must not be loopback"},
      {"::1", "::1 must not be loopback"},
      {"0.0.0.0", "0.0.0.0 must"},
      {"::", ":: must"},
      {"224.0.0.1", "224.0.0.1 must be the address of one host"},
      {"255.255.255.255", "must be the address of one host"},
      {"ff02::1", "must be the address of one host"},
      {"::ffff:192.0.2.1", "must be written as IPv4"},
      {"fe80::1", "must not be link-local"},
      {"192.168.200.1", "is an address of the TUN device"},
  };
  for (const auto& row : rows) {
    const auto r = judged({row.address, "192.0.2.1"});
    BOOST_TEST((r.usable == at({"192.0.2.1"})), row.address);
    BOOST_TEST(says(r.remark, row.says), r.remark);
    BOOST_TEST(judged({row.address}).usable.empty());
  }
}

BOOST_AUTO_TEST_CASE(an_address_without_a_route_is_tried_last_since_routes_may_come_later) {
  const auto r = judged({"2001:db8::1", "192.0.2.1", "192.0.2.2"});
  BOOST_TEST((r.usable == at({"192.0.2.1", "192.0.2.2", "2001:db8::1"})));
  BOOST_TEST(r.remark == "2001:db8::1 has no route from this host now, it is tried last");
  BOOST_TEST((judged({"2001:db8::1"}).usable == at({"2001:db8::1"})));
}

BOOST_AUTO_TEST_CASE(an_address_of_this_host_is_used_and_said) {
  const auto r = judged({"10.5.0.1"});
  BOOST_TEST((r.usable == at({"10.5.0.1"})));
  BOOST_TEST(says(r.remark, "10.5.0.1 is an address of this host itself (d0)"), r.remark);
}

BOOST_AUTO_TEST_CASE(a_good_address_is_nothing_to_say) {
  BOOST_TEST(judged({"192.0.2.1"}).remark == "");
}

BOOST_AUTO_TEST_CASE(an_upstream_may_be_anywhere_on_the_host_but_must_be_one_host) {
  const auto r = judged({"127.0.0.1", "10.5.0.1", "224.0.0.1"}, role::server);
  BOOST_TEST((r.usable == at({"127.0.0.1", "10.5.0.1"})));
  BOOST_TEST(r.remark == "224.0.0.1 must be the address of one host");
}

BOOST_AUTO_TEST_CASE(the_real_host_has_a_way_to_itself_and_knows_its_own_addresses) {
  const auto real = ways_of_host();
  BOOST_TEST(real.has_route(ip_address::v4(127, 0, 0, 1)));
  BOOST_TEST((real.own_device(ip_address::v4(127, 0, 0, 1)) == std::optional<std::string>{"lo"}));
  BOOST_TEST(!real.own_device(ip_address::v4(192, 0, 2, 1)));
}

BOOST_AUTO_TEST_SUITE_END()
