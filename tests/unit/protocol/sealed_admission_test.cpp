#include "protocol/sealed/admission.hpp"
#include "tests/support/client_hello.hpp"
#include "tests/support/fake_crypto.hpp"

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>
#include <vector>

using namespace tonel::protocol;
using namespace tonel::protocol::sealed;
using tonel::test::client_hello;

namespace {

using octets = std::vector<std::uint8_t>;

hello_refusal refusal_of(const octets& bytes) {
  const auto parsed = parse_client_hello(bytes);
  BOOST_REQUIRE(!parsed);
  return parsed.error();
}

constexpr coarse_time noon = 29'700'000;

struct server {
  std::unique_ptr<crypto> c = tonel::test::make_fake_crypto(1);
  std::vector<named_key> keys;
  identity said;

  server() {
    for (std::uint8_t i = 1; i <= 5; ++i)
      keys.push_back({"key" + std::to_string(i), secret{secret::octets{i}}});
    auto& hello = said.hello;
    hello.introduces = true;
    hello.stream_index = 1;
    hello.stream_count = 4;
    hello.session = {1, 2, 3, 4, 5, 6, 7, 8};
    hello.counter = 99;
    hello.client_iss = {12};
    hello.server_iss = {34};
    hello.capabilities = capability::unscaled;
    hello.keepalive = std::chrono::seconds{20};
    hello.mtu = 1'500;
    hello.secret = {5, 5, 5};
    said.minutes = noon;
  }
  octets flight(const secret& key, std::size_t length = 120) {
    client_hello hello;
    hello.identities = {seal_identity(*c, key, said, {1, 2, 3}, length)};
    return hello.bytes();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(sealed_admission_test, server)

BOOST_AUTO_TEST_CASE(the_identity_is_found_in_a_client_hello) {
  client_hello hello;
  auto bytes = hello.bytes();
  bytes.insert(bytes.end(), 40, 0x77); // what follows is not looked at
  const auto parsed = parse_client_hello(bytes);
  BOOST_REQUIRE(parsed);
  BOOST_TEST(parsed->identity.size() == 120u);
  BOOST_TEST(unsigned{parsed->identity[0]} == 0x1du);
  BOOST_TEST(parsed->size == bytes.size() - 40);
}

BOOST_AUTO_TEST_CASE(a_client_hello_cut_short_is_waited_for) {
  const auto bytes = client_hello{}.bytes();
  for (std::size_t size = 0; size < bytes.size(); ++size)
    BOOST_TEST_REQUIRE((refusal_of({bytes.begin(), bytes.begin() + static_cast<long>(size)}) ==
                        hello_refusal::incomplete));
}

BOOST_AUTO_TEST_CASE(other_protocols_are_told_by_their_first_octets) {
  for (const std::string text : {"GET / HTTP/1.1\r\n", "SSH-2.0-OpenSSH",
                                 "\x9d"
                                 "tonel"})
    BOOST_TEST((refusal_of({text.begin(), text.end()}) == hello_refusal::not_tls), text);
  BOOST_TEST((refusal_of({22, 3, 1, 2, 0, 2}) == hello_refusal::not_tls)); // a ServerHello
  BOOST_TEST((refusal_of({22, 3, 1, 0xff, 0xff}) == hello_refusal::not_tls));
}

BOOST_AUTO_TEST_CASE(a_client_hello_without_one_identity_is_anybodys) {
  client_hello hello;
  hello.identities.clear();
  BOOST_TEST((refusal_of(hello.bytes()) == hello_refusal::no_identity));
  hello.identities = {octets(120), octets(120)};
  BOOST_TEST((refusal_of(hello.bytes()) == hello_refusal::no_identity));
  hello = {};
  hello.binders = {octets(31)};
  BOOST_TEST((refusal_of(hello.bytes()) == hello_refusal::no_identity));
  hello = {};
  hello.binders = {octets(32), octets(32)};
  BOOST_TEST((refusal_of(hello.bytes()) == hello_refusal::no_identity));
  hello = {};
  hello.behind_psk = {0, 43, 0, 0};
  BOOST_TEST((refusal_of(hello.bytes()) == hello_refusal::no_identity));
}

BOOST_AUTO_TEST_CASE(a_misshapen_client_hello_is_none) {
  client_hello hello;
  hello.session = octets(33);
  BOOST_TEST((refusal_of(hello.bytes()) == hello_refusal::not_tls));
  hello = {};
  hello.suites = {0x13};
  BOOST_TEST((refusal_of(hello.bytes()) == hello_refusal::not_tls));
  hello = {};
  hello.compressions = {1, 0};
  BOOST_TEST((refusal_of(hello.bytes()) == hello_refusal::not_tls));
  hello = {};
  hello.behind_psk = {0, 43, 0, 9};
  BOOST_TEST((refusal_of(hello.bytes()) == hello_refusal::no_identity));
}

BOOST_AUTO_TEST_CASE(no_changed_length_is_read_beyond_the_end) {
  const auto bytes = client_hello{}.bytes();
  for (std::size_t at = 0; at < bytes.size(); ++at)
    for (const auto value : {0, 1, 0x7f, 0x80, 0xff}) {
      octets changed = bytes;
      changed[at] = static_cast<std::uint8_t>(value);
      static_cast<void>(parse_client_hello(changed)); // for the sanitizers
    }
}

BOOST_AUTO_TEST_CASE(an_identity_tells_what_a_hello_tells) {
  for (const auto length : {min_identity, std::size_t{120}, max_identity}) {
    const auto sealed = seal_identity(*c, keys[0].key, said, {1}, length);
    BOOST_TEST(sealed.size() == length);
    const auto opened = open_identity(*c, keys[0].key, sealed);
    BOOST_REQUIRE(opened);
    const auto& hello = opened->hello;
    BOOST_TEST(hello.introduces);
    BOOST_TEST(hello.stream_index == 1);
    BOOST_TEST(hello.stream_count == 4);
    BOOST_TEST((hello.session == said.hello.session));
    BOOST_TEST(hello.counter == 99u);
    BOOST_TEST(hello.client_iss.raw == 12u);
    BOOST_TEST(hello.server_iss.raw == 34u);
    BOOST_TEST(hello.capabilities == capability::unscaled);
    BOOST_TEST((hello.keepalive == std::chrono::seconds{20}));
    BOOST_TEST(hello.mtu == 1'500);
    BOOST_TEST((hello.secret == said.hello.secret));
    BOOST_TEST(opened->minutes == noon);
  }
}

BOOST_AUTO_TEST_CASE(no_octet_of_two_identities_is_the_same_by_design) {
  const auto one = seal_identity(*c, keys[0].key, said, {1}, 160);
  std::vector<int> same(160);
  std::mt19937 random{3};
  for (int i = 0; i < 1'000; ++i) {
    identity_salt salt{};
    for (auto& octet : salt)
      octet = static_cast<std::uint8_t>(random());
    const auto other = seal_identity(*c, keys[0].key, said, salt, 160);
    for (std::size_t at = 0; at < 160; ++at)
      same[at] += other[at] == one[at] ? 1 : 0;
  }
  for (const auto count : same)
    BOOST_TEST(count < 30); // of 1,000, by chance 4
}

BOOST_AUTO_TEST_CASE(an_identity_that_makes_no_sense_is_none) {
  said.hello.stream_index = 4;
  BOOST_TEST(!open_identity(*c, keys[0].key, seal_identity(*c, keys[0].key, said, {1}, 120)));
  said.hello.stream_count = 0;
  BOOST_TEST(!open_identity(*c, keys[0].key, seal_identity(*c, keys[0].key, said, {1}, 120)));
  BOOST_TEST(!open_identity(*c, keys[0].key, octets(95)));
  BOOST_TEST(!open_identity(*c, keys[0].key, octets(161)));
}

BOOST_AUTO_TEST_CASE(the_key_of_a_client_is_found_among_others) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto bytes = flight(keys[i].key, min_identity + i * 16);
    const auto found = look_at(*c, keys, bytes, noon, 1'440);
    BOOST_REQUIRE(found);
    BOOST_TEST(found->who.key == i);
    BOOST_TEST(found->who.said.hello.counter == 99u);
    BOOST_TEST(found->flight.size == bytes.size());
  }
}

BOOST_AUTO_TEST_CASE(strangers_are_told_apart) {
  const auto stranger_of = [&](const octets& bytes, coarse_time now, coarse_time most_age) {
    const auto found = look_at(*c, keys, bytes, now, most_age);
    BOOST_REQUIRE(!found);
    return found.error();
  };
  BOOST_TEST((stranger_of({22, 3}, noon, 0) == stranger::incomplete));
  BOOST_TEST((stranger_of({'G', 'E', 'T'}, noon, 0) == stranger::not_tls));
  client_hello hello;
  hello.identities.clear();
  BOOST_TEST((stranger_of(hello.bytes(), noon, 0) == stranger::no_identity));
  BOOST_TEST((stranger_of(client_hello{}.bytes(), noon, 0) == stranger::unknown_key));
  const auto of_other = flight(secret{secret::octets{77}});
  BOOST_TEST((stranger_of(of_other, noon, 0) == stranger::unknown_key));
  const auto ours = flight(keys[2].key);
  BOOST_TEST((stranger_of(ours, noon + 1'441, 1'440) == stranger::stale));
  BOOST_TEST((stranger_of(ours, noon - 1'441, 1'440) == stranger::stale));
  BOOST_TEST(look_at(*c, keys, ours, noon + 1'440, 1'440).has_value());
  BOOST_TEST(look_at(*c, keys, ours, 0, 0).has_value()); // no clock is needed
  for (const auto s : {stranger::incomplete, stranger::not_tls, stranger::no_identity,
                       stranger::unknown_key, stranger::stale})
    BOOST_TEST(std::string{to_string(s)} != "unknown");
}

BOOST_AUTO_TEST_CASE(no_more_than_the_bound_of_keys_is_tried) {
  keys.insert(keys.begin(), most_keys, named_key{"other", secret{secret::octets{200}}});
  BOOST_TEST(!look_at(*c, keys, flight(keys.back().key), noon, 0).has_value());
}

BOOST_AUTO_TEST_CASE(half_open_handshakes_are_bounded_and_the_newest_is_refused) {
  half_open_limit limit{3, 1'000};
  auto first = limit.take(300);
  auto second = limit.take(300);
  BOOST_TEST(!limit.take(401)); // octets
  {
    const auto third = limit.take(400);
    BOOST_TEST(static_cast<bool>(third));
    BOOST_TEST(!limit.take(0)); // count
    BOOST_TEST(limit.octets() == 1'000u);
  }
  BOOST_TEST(limit.count() == 2u);
  BOOST_TEST(limit.refused() == 2u);
  first = std::move(second);
  second = {};
  BOOST_TEST(limit.count() == 1u);
  BOOST_TEST(limit.octets() == 300u);
  first = {};
  BOOST_TEST(limit.count() == 0u);
  BOOST_TEST(limit.octets() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
