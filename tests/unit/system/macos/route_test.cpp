#include "system/macos/route_message.hpp"
#include "system/macos/routes.hpp"
#include "system/netlink_watch.hpp"
#include "system/process.hpp"
#include "tests/unit/system/macos/fake_darwin.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel;
using namespace tonel::sys;

namespace {

using octets = fake_darwin::octets;

protocol::ip_address ip(const char* text) { return *protocol::ip_address::parse(text); }

darwin::rt_msghdr header_of(const octets& message) {
  darwin::rt_msghdr h;
  BOOST_TEST_REQUIRE(message.size() >= sizeof h);
  std::memcpy(&h, message.data(), sizeof h);
  return h;
}

octets answer(int sequence, std::uint16_t interface, int error = 0) {
  darwin::rt_msghdr h;
  h.length = sizeof h;
  h.type = darwin::rtm_get;
  h.index = interface;
  h.pid = process_id();
  h.sequence = sequence;
  h.error = error;
  octets out(sizeof h);
  std::memcpy(out.data(), &h, sizeof h);
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(route_test)

BOOST_AUTO_TEST_CASE(a_question_names_a_host_or_the_default_route) {
  const auto host = route_question(ip("192.0.2.7"), false, 3);
  auto h = header_of(host);
  BOOST_TEST(h.length == host.size());
  BOOST_TEST(host.size() == sizeof h + 16);
  BOOST_TEST(h.type == darwin::rtm_get);
  BOOST_TEST(h.version == 5);
  BOOST_TEST(h.sequence == 3);
  BOOST_TEST(h.addresses == darwin::rta_dst);
  BOOST_TEST((h.flags & darwin::rtf_host) != 0);
  BOOST_TEST((octets(host.begin() + 92, host.begin() + 100) == octets{16, 2, 0, 0, 192, 0, 2, 7}));

  const auto any = route_question({}, true, 4);
  h = header_of(any);
  BOOST_TEST(h.addresses == (darwin::rta_dst | darwin::rta_netmask));
  BOOST_TEST((h.flags & darwin::rtf_host) == 0);
  BOOST_TEST(any.size() == sizeof h + 2 * 28);
  BOOST_TEST(any[92] == 28);
  BOOST_TEST(any[93] == 30);
}

BOOST_AUTO_TEST_CASE(an_addition_goes_through_an_interface) {
  const auto message = route_addition(ip("fcc8::2"), 11, 1);
  const auto h = header_of(message);
  BOOST_TEST(h.type == darwin::rtm_add);
  BOOST_TEST(h.index == 11);
  BOOST_TEST(h.addresses == (darwin::rta_dst | darwin::rta_gateway));
  BOOST_TEST_REQUIRE(message.size() == sizeof h + 28 + 20);
  const auto link = message.begin() + 92 + 28;
  BOOST_TEST((octets(link, link + 4) == octets{20, 18, 11, 0}));
}

BOOST_AUTO_TEST_CASE(answers_to_others_are_not_ours) {
  const auto good = answer(5, 9);
  BOOST_TEST(parse_route_answer(good, process_id(), 5)->interface == 9u);
  BOOST_TEST(!parse_route_answer(good, process_id(), 6));
  BOOST_TEST(!parse_route_answer(good, process_id() + 1, 5));
  BOOST_TEST(!parse_route_answer({good.data(), 91}, process_id(), 5));
}

BOOST_AUTO_TEST_CASE(the_socket_waits_for_its_own_answer) {
  fake_darwin k;
  auto s = route_socket::open(k);
  BOOST_TEST_REQUIRE(s.has_value());
  k.incoming = {answer(99, 1), answer(1, 4)};
  BOOST_TEST(**s->interface_to(ip("192.0.2.7"), false) == 4u);
  k.incoming = {answer(2, 0, ESRCH)};
  BOOST_TEST(!s->interface_to(ip("192.0.2.7"), false)->has_value());
  k.errors["write"] = ESRCH;
  BOOST_TEST(!s->interface_to(ip("192.0.2.7"), false)->has_value());
  k.errors["write"] = EACCES;
  BOOST_TEST(s->interface_to(ip("192.0.2.7"), false).error().number == EACCES);
}

BOOST_AUTO_TEST_CASE(a_route_that_is_there_is_no_error) {
  fake_darwin k;
  auto s = route_socket::open(k);
  BOOST_TEST(s->add(ip("fcc8::2"), 3).has_value());
  k.errors["write"] = EEXIST;
  BOOST_TEST(s->add(ip("fcc8::2"), 3).has_value());
  k.errors["write"] = EPERM;
  BOOST_TEST(s->add(ip("fcc8::2"), 3).error().number == EPERM);
}

BOOST_AUTO_TEST_CASE(changes_of_routes_and_addresses_are_told) {
  fake_darwin k;
  BOOST_TEST(netlink_watch::open(k, netlink_watch::subject::rules).error().number == EOPNOTSUPP);
  auto watch = netlink_watch::open(k, netlink_watch::subject::routes);
  BOOST_TEST_REQUIRE(watch.has_value());
  BOOST_TEST(!watch->take().something);
  k.incoming = {octets{4, 0, 5, darwin::rtm_get}, octets{4, 0, 5, 14}}; // RTM_IFINFO
  BOOST_TEST(!watch->take().something);
  for (const auto type : {darwin::rtm_add, darwin::rtm_delete, darwin::rtm_newaddr}) {
    k.incoming = {octets{4, 0, 5, type}};
    BOOST_TEST(watch->take().something);
  }
}

BOOST_AUTO_TEST_SUITE_END()
