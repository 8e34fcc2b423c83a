#include "actors/app/doctor/remote_findings.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::actors;
using namespace tonel::actors::app;
using level = finding::level;

namespace {

constexpr protocol::session_secret secret{1, 2, 3};

asked_address address(const char* text) {
  asked_address out;
  out.remote = {*protocol::ip_address::parse(text), 4567};
  return out;
}

/// tonels answers there.
asked_address good(const char* text) {
  auto out = address(text);
  out.answer.greeted = true;
  out.answer.secret = secret;
  protocol::hello_repr hello;
  hello.control_length = protocol::hello_size;
  const auto encoded = protocol::encode_hello(hello, secret);
  out.answer.heard.octets.assign(encoded.begin(), encoded.end());
  return out;
}

asked_address refusing(const char* text) {
  auto out = address(text);
  out.answer.connect_error = ECONNREFUSED;
  return out;
}

doctor_way named() {
  doctor_way out;
  auto tunnel = std::make_shared<tunnel_config>();
  tunnel->remote = {"vpn.example.net", 4567};
  out.settings = tunnel;
  out.remote = tunnel->remote;
  return out;
}

std::vector<finding> judged(const std::vector<asked_address>& asked, role side = role::client) {
  doctor_target target;
  target.side = side;
  return judge_addresses(target, named(), asked, true);
}

std::string in_use(const std::vector<asked_address>& asked) {
  const auto found = address_in_use(asked, *named().settings);
  return found ? found->address.to_string() : "";
}

bool says(const finding& f, level is, const char* words) {
  return f.is == is && f.text.find(words) != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_SUITE(remote_findings_test)

BOOST_AUTO_TEST_CASE(one_address_that_works_is_enough_and_the_others_are_named) {
  const std::vector<asked_address> asked{refusing("192.0.2.1"), good("192.0.2.2")};
  const auto found = judged(asked);
  BOOST_TEST_REQUIRE(found.size() == 2u);
  BOOST_TEST(says(found[0], level::note, "vpn.example.net (192.0.2.1:4567) refuses connections"));
  BOOST_TEST(says(found[1], level::fine, "tonels answers at 192.0.2.2:4567"));
  BOOST_TEST(in_use(asked) == "192.0.2.2");
  BOOST_TEST(has_answered(asked, *named().settings));
}

BOOST_AUTO_TEST_CASE(where_none_works_each_is_a_fault) {
  auto impossible = address("127.0.1.1");
  impossible.problem = "must not be loopback";
  const std::vector<asked_address> asked{impossible, refusing("192.0.2.1")};
  const auto found = judged(asked);
  BOOST_TEST_REQUIRE(found.size() == 2u);
  BOOST_TEST(says(found[0], level::fault, "127.0.1.1 must not be loopback"));
  BOOST_TEST(says(found[1], level::fault, "refuses connections"));
  BOOST_TEST(in_use(asked) == "192.0.2.1");
  BOOST_TEST(in_use({impossible}) == "");
  BOOST_TEST(!has_answered(asked, *named().settings));
}

BOOST_AUTO_TEST_CASE(what_could_not_be_asked_is_a_note) {
  auto own = address("192.0.2.1");
  own.device = "eth0";
  auto deaf = address("192.0.2.2");
  deaf.unasked = "strict rp_filter";
  for (const auto& each : {own, deaf}) {
    const auto found = judged({each});
    BOOST_TEST_REQUIRE(found.size() == 1u);
    BOOST_TEST(says(found[0], level::note, "only the running client finds out"), found[0].text);
    BOOST_TEST(!has_answered({each}, *named().settings));
  }
  auto mute = address("192.0.2.3"); // it took the connection, and the user may not greet
  BOOST_TEST(says(judged({mute})[0], level::note, "something takes TCP connections"));
}

BOOST_AUTO_TEST_CASE(a_black_hole_is_told_by_the_sizes_that_arrive) {
  const struct {
    const char* address;
    size_answer sizes;
    const char* says; ///< empty: nothing
  } table[] = {
      {"192.0.2.1", {1500, 1500}, ""},
      {"192.0.2.1", {1500, 0}, ""}, // not even small ones: another thing
      {"192.0.2.1", {0, 0}, ""},
      {"192.0.2.1", {1500, 1400}, "at most 1360 bytes (WireGuard: MTU = 1328)"},
      {"2001:db8::1", {1500, 1400}, "at most 1340 bytes (WireGuard: MTU = 1308)"},
  };
  for (const auto& row : table) {
    auto asked = good(row.address);
    asked.sizes = row.sizes;
    const auto found = judged({asked});
    BOOST_TEST(found.size() == (*row.says == '\0' ? 1u : 2u));
    if (found.size() == 2)
      BOOST_TEST((found[1].about == "mtu" && says(found[1], level::fault, row.says)),
                 found[1].text);
  }
}

BOOST_AUTO_TEST_CASE(an_upstream_is_well_unless_icmp_says_otherwise) {
  auto refused = address("127.0.0.1");
  refused.upstream = sys::os_error{ECONNREFUSED, "send", ""};
  BOOST_TEST(says(judged({refused}, role::server)[0], level::fault,
                  "the upstream vpn.example.net (127.0.0.1:4567) refuses"));
  auto away = address("192.0.2.1");
  away.upstream = sys::os_error{EHOSTUNREACH, "send", ""};
  BOOST_TEST(says(judged({away}, role::server)[0], level::fault, "can't be reached"));
  const auto found = judged({refused, address("127.0.0.2")}, role::server);
  BOOST_TEST_REQUIRE(found.size() == 2u);
  BOOST_TEST((found[0].is == level::note && found[1].is == level::fine));
}

BOOST_AUTO_TEST_SUITE_END()
