#include "system/device_state.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>
#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::sys;

namespace {

protocol::ip_address ip(const char* text) { return *protocol::ip_address::parse(text); }

const device_wanted wanted{
    "tonel0",
    1'400,
    2'048,
    {{ip("192.0.2.1"), ip("192.0.2.2")}, {ip("2001:db8::1"), ip("2001:db8::2")}}};

device_found as_wanted() {
  device_found out;
  out.there = out.up = true;
  out.name = wanted.name;
  out.mtu = wanted.mtu;
  out.txqueuelen = wanted.txqueuelen;
  for (const auto& a : wanted.addresses) {
    out.addresses.push_back(a.local);
    out.routes.push_back({a.peer, static_cast<unsigned>(8 * a.peer.size())});
  }
  return out;
}

/// What had happened, as the log tells it.
std::string told(const device_found& found) {
  std::string out;
  for (const auto& repair : judge_device(wanted, found))
    out += (out.empty() ? "" : ", ") + what_happened(repair, found);
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(device_state_test)

BOOST_AUTO_TEST_CASE(what_others_have_changed_is_found_and_nothing_else) {
  struct row {
    const char* told;
    std::function<void(device_found&)> change;
  };
  const row table[] = {
      {"", [](device_found&) {}},
      {"it was deleted", [](device_found& d) { d = {}; }},
      {"it was renamed eth7", [](device_found& d) { d.name = "eth7"; }},
      {"its MTU was set to 9000", [](device_found& d) { d.mtu = 9'000; }},
      {"its queue was set to 0 packets", [](device_found& d) { d.txqueuelen = 0; }},
      // Somebody's choice.
      {"", [](device_found& d) { d.txqueuelen = 100; }},
      {"it was set down", [](device_found& d) { d.up = false; }},
      {"its address 192.0.2.1 was removed, its address 2001:db8::1 was removed",
       [](device_found& d) { d.addresses.clear(); }},
      {"its address 2001:db8::1 was removed", [](device_found& d) { d.addresses.pop_back(); }},
      {"its route to 192.0.2.2 was removed",
       [](device_found& d) { d.routes.erase(d.routes.begin()); }},
      // The route of an address with a wider net leads there, too.
      {"",
       [](device_found& d) {
         d.routes.front() = {ip("192.0.2.0"), 24};
       }},
      {"its route to 192.0.2.2 was removed",
       [](device_found& d) {
         d.routes.front() = {ip("192.0.3.0"), 24};
       }},
      // Without its address there is no route, which is not worth a word; nor is that of one that is down.
      {"its address 192.0.2.1 was removed",
       [](device_found& d) {
         d.addresses.erase(d.addresses.begin());
         d.routes.erase(d.routes.begin());
       }},
      {"it was set down",
       [](device_found& d) {
         d.up = false;
         d.routes.clear();
       }},
      {"", [](device_found& d) { d.addresses.push_back(ip("198.51.100.7")); }},
  };
  for (const auto& r : table) {
    auto found = as_wanted();
    r.change(found);
    BOOST_TEST(told(found) == r.told);
  }
}

BOOST_AUTO_TEST_CASE(one_that_was_deleted_is_made_again_and_nothing_is_done_to_what_is_not_there) {
  const auto repairs = judge_device(wanted, {});
  BOOST_TEST_REQUIRE(repairs.size() == 1u);
  BOOST_TEST((repairs[0].what == device_repair::kind::make_again));
}

BOOST_AUTO_TEST_CASE(an_address_is_set_once_the_device_is_up) {
  auto found = as_wanted();
  found.up = false;
  found.addresses.clear();
  const auto repairs = judge_device(wanted, found);
  BOOST_TEST_REQUIRE(repairs.size() == 3u);
  BOOST_TEST((repairs[0].what == device_repair::kind::set_up));
  BOOST_TEST((repairs[1].where.local == wanted.addresses[0].local));
}

BOOST_AUTO_TEST_SUITE_END()
