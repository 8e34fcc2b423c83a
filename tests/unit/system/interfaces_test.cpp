#include "system/posix/interfaces.hpp"

#include <boost/test/unit_test.hpp>

#include <net/if.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <vector>

using namespace tonel;
using namespace tonel::sys;

namespace {

using protocol::ip_address;
using way = result<std::optional<std::uint32_t>>;

const std::uint32_t loopback = ::if_nametoindex("lo");

/// A client with these remotes, both families.
rule_plan plan_to(const std::vector<const char*>& remotes) {
  rule_plan plan;
  plan.peer4 = *ip_address::parse("192.0.2.2");
  plan.peer6 = *ip_address::parse("2001:db8::2");
  for (const char* text : remotes)
    plan.remotes.push_back({*ip_address::parse(text), 443});
  return plan;
}

} // namespace

BOOST_AUTO_TEST_SUITE(interfaces_test)

BOOST_AUTO_TEST_CASE(remotes_on_one_way_give_its_interface_for_their_family) {
  auto plan = plan_to({"198.51.100.1", "198.51.100.2"});
  const auto find = [](const ip_address& to, bool) -> way {
    if (to) return loopback;
    return std::nullopt;
  };
  BOOST_TEST(find_interfaces(plan, find).has_value());
  BOOST_TEST(plan.interface4 == "lo");
  BOOST_TEST(plan.interface6 == "");
}

BOOST_AUTO_TEST_CASE(remotes_on_different_ways_give_none) {
  auto plan = plan_to({"198.51.100.1", "198.51.100.2"});
  const auto find = [](const ip_address& to, bool) -> way {
    return to == *ip_address::parse("198.51.100.1") ? loopback : loopback + 1;
  };
  BOOST_TEST(find_interfaces(plan, find).has_value());
  BOOST_TEST(plan.interface4 == "");
}

BOOST_AUTO_TEST_CASE(without_an_address_the_default_route_counts) {
  auto plan = plan_to({});
  plan.remotes.push_back({ip_address{}, 443}); // a name that is not resolved
  const auto find = [](const ip_address& to, bool v6) -> way {
    BOOST_TEST(!to);
    if (v6) return loopback;
    return std::nullopt;
  };
  BOOST_TEST(find_interfaces(plan, find).has_value());
  BOOST_TEST(plan.interface4 == "");
  BOOST_TEST(plan.interface6 == "lo");
}

BOOST_AUTO_TEST_CASE(a_tunnel_without_ipv6_asks_for_no_way_of_it) {
  auto plan = plan_to({"2001:db8::9"});
  plan.peer6 = {};
  const auto find = [](const ip_address&, bool v6) -> way {
    BOOST_TEST(!v6);
    return loopback;
  };
  BOOST_TEST(find_interfaces(plan, find).has_value());
  BOOST_TEST(plan.interface4 == "lo");
  BOOST_TEST(plan.interface6 == "");
}

BOOST_AUTO_TEST_CASE(a_way_that_cannot_be_asked_for_is_an_error) {
  for (const auto& remotes : {std::vector<const char*>{}, {"198.51.100.1"}}) {
    auto plan = plan_to(remotes);
    const auto find = [](const ip_address&, bool) -> way {
      return unexpected{os_error{EPERM, "netlink RTM_GETROUTE", {}}};
    };
    const auto done = find_interfaces(plan, find);
    BOOST_TEST_REQUIRE(!done.has_value());
    BOOST_TEST(done.error().number == EPERM);
  }
}

BOOST_AUTO_TEST_CASE(a_named_interface_must_exist) {
  auto plan = plan_to({});
  BOOST_TEST(take_interface(plan, "lo").has_value());
  BOOST_TEST(plan.interface4 == "lo");
  BOOST_TEST(plan.interface6 == "lo");
  const auto done = take_interface(plan, "none-such");
  BOOST_TEST_REQUIRE(!done.has_value());
  BOOST_TEST(done.error().number == ENODEV);
}

BOOST_AUTO_TEST_CASE(a_link_local_address_is_not_global) {
  BOOST_TEST(is_global(*ip_address::parse("198.51.100.1")));
  BOOST_TEST(is_global(*ip_address::parse("2001:db8::1")));
  BOOST_TEST(!is_global(*ip_address::parse("fe80::1")));
  BOOST_TEST(!is_global(*ip_address::parse("febf::1")));
  BOOST_TEST(!is_global(ip_address{}));
}

BOOST_AUTO_TEST_CASE(the_loopback_interface_is_among_all) {
  BOOST_TEST(interface_name(loopback) == "lo");
  BOOST_TEST(interface_name(0) == "");
  BOOST_TEST((interface_flags().at("lo") & IFF_LOOPBACK) != 0u);
}

BOOST_AUTO_TEST_SUITE_END()
