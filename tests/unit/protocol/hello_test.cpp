#include "protocol/hello.hpp"
#include "protocol/siphash.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <functional>
#include <vector>

using namespace tonel::protocol;

namespace {

using octets = std::vector<std::uint8_t>;

hello_repr example() {
  hello_repr h;
  h.offset = 0x0102;
  h.control_length = h.offset + hello_size;
  for (std::uint8_t i = 0; i < 8; ++i)
    h.session[i] = static_cast<std::uint8_t>(0xa0 + i);
  h.introduces = true;
  h.counter = 0x0102030405060708;
  h.client_iss = {0x11121314};
  h.server_iss = {0x21222324};
  h.stream_index = 2;
  h.stream_count = 5;
  h.capabilities = 0xdeadbeef;
  h.keepalive = std::chrono::seconds{20};
  h.mtu = 1'420;
  return h;
}

const session_secret secret{0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7,
                            0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf};

octets encoded(const hello_repr& h) {
  const auto bytes = encode_hello(h, secret);
  return {bytes.begin(), bytes.end()};
}

} // namespace

BOOST_AUTO_TEST_SUITE(hello_test)

BOOST_AUTO_TEST_CASE(layout_is_what_the_document_says) {
  octets expected = {
      0x9d, 't',  'o',  'n',  'e',  'l',  0x0a, 0x1a, // magic
      2,    1,    2,    5,                            // version, flags, index, count
      0,    0,    1,    2,    0,    0,    1,    0x4e, // offset, control length
      0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, // session
      1,    2,    3,    4,    5,    6,    7,    8,    // counter
      0x11, 0x12, 0x13, 0x14, 0x21, 0x22, 0x23, 0x24, // initial sequence numbers
      0xde, 0xad, 0xbe, 0xef, 0,    20,   0x05, 0x8c, // capabilities, keepalive, MTU
      0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, // secret
      0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf,
  };
  const auto tag = siphash24(secret, expected);
  for (int shift = 56; shift >= 0; shift -= 8)
    expected.push_back(static_cast<std::uint8_t>(tag >> shift));
  BOOST_TEST(expected.size() == hello_size);
  BOOST_TEST(encoded(example()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_encoded_is_read_back) {
  const auto bytes = encoded(example());
  const auto read = parse_hello(bytes);
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(read->version == 2);
  BOOST_TEST(read->introduces);
  BOOST_TEST(read->offset == 0x0102u);
  BOOST_TEST(read->control_length == 0x014eu);
  BOOST_TEST((read->session == example().session));
  BOOST_TEST(read->counter == 0x0102030405060708u);
  BOOST_TEST(read->client_iss.raw == 0x11121314u);
  BOOST_TEST(read->server_iss.raw == 0x21222324u);
  BOOST_TEST(read->stream_index == 2);
  BOOST_TEST(read->stream_count == 5);
  BOOST_TEST(read->capabilities == 0xdeadbeef);
  BOOST_TEST(read->keepalive.count() == 20);
  BOOST_TEST(read->mtu == 1'420);
  BOOST_TEST((read->secret == secret));
  BOOST_TEST(proves(*read, secret));
  BOOST_TEST(!read->tcp_ends);
  auto other = example();
  other.tcp_ends = true;
  BOOST_TEST(parse_hello(encoded(other))->tcp_ends);
}

BOOST_AUTO_TEST_CASE(the_secret_is_carried_by_an_introduction_alone) {
  auto h = example();
  h.introduces = false;
  const auto bytes = encoded(h);
  BOOST_TEST(
      (std::search(bytes.begin(), bytes.end(), secret.begin(), secret.begin() + 4) == bytes.end()));
  const auto read = parse_hello(bytes);
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(proves(*read, secret));
  BOOST_TEST(!proves(*read, {1}));
}

BOOST_AUTO_TEST_CASE(the_tag_covers_every_octet) {
  for (const bool introduces : {true, false}) {
    auto h = example();
    h.introduces = introduces;
    const auto bytes = encoded(h);
    for (std::size_t bit = 0; bit < 8 * hello_size; ++bit) {
      auto spoilt = bytes;
      spoilt[bit / 8] = static_cast<std::uint8_t>(spoilt[bit / 8] ^ (1u << bit % 8));
      const auto read = parse_hello(spoilt);
      BOOST_TEST((!read || !proves(*read, secret)), "bit " << bit);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_interval_too_long_for_its_field_is_cut) {
  auto h = example();
  h.keepalive = std::chrono::hours{100};
  BOOST_TEST(parse_hello(encoded(h))->keepalive.count() == 65'535);
  h.keepalive = std::chrono::seconds{-1};
  BOOST_TEST(parse_hello(encoded(h))->keepalive.count() == 0);
}

BOOST_AUTO_TEST_CASE(a_hello_that_contradicts_itself_is_refused) {
  const struct {
    const char* what;
    std::function<void(octets&)> spoil;
  } table[] = {
      {"magic", [](octets& b) { b[0] ^= 1; }},
      {"end of magic", [](octets& b) { b[7] ^= 1; }},
      {"version", [](octets& b) { b[8] = 1; }},
      {"a flag that is not known", [](octets& b) { b[9] = 0x80; }},
      {"a tag that another secret made", [](octets& b) { b[75] ^= 1; }},
      {"a secret that is not introduced", [](octets& b) { b[9] = 0; }},
      {"no streams", [](octets& b) { b[11] = 0; }},
      {"index beyond count", [](octets& b) { b[10] = 5; }},
      {"offset", [](octets& b) { b[13] = 1; }},
      {"control ends before the hello", [](octets& b) { --b[19]; }},
      {"control goes on after it", [](octets& b) { ++b[19]; }},
      {"one octet short", [](octets& b) { b.pop_back(); }},
      {"empty", [](octets& b) { b.clear(); }},
  };
  for (const auto& t : table) {
    auto bytes = encoded(example());
    t.spoil(bytes);
    const auto read = parse_hello(bytes);
    BOOST_TEST(!read.has_value(), t.what);
    if (!read) BOOST_TEST((read.error() == errc::bad_hello));
  }
}

BOOST_AUTO_TEST_CASE(hello_is_found_at_segment_borders) {
  const auto hello = encoded(example());
  for (const std::uint32_t size : {76u, 100u, 500u}) {
    octets payload(2 * size);
    payload.insert(payload.end(), hello.begin(), hello.end());
    const auto found = find_hello(payload, size);
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST(found->at == 2 * size);
    BOOST_TEST(found->hello.has_value());
    BOOST_TEST(!find_hello(payload, 2 * size + 1).has_value());
    // What only begins like one is found, too, and can't be read.
    payload.pop_back();
    const auto cut = find_hello(payload, size);
    BOOST_REQUIRE(cut.has_value());
    BOOST_TEST(cut->at == 2 * size);
    BOOST_TEST(!cut->hello.has_value());
    // A whole one behind it counts.
    payload.resize(3 * size);
    payload.insert(payload.end(), hello.begin(), hello.end());
    BOOST_TEST(find_hello(payload, size)->at == 3 * size);
  }
  BOOST_TEST(find_hello(hello, 76)->at == 0u);
  BOOST_TEST(find_hello(hello, 0)->at == 0u);
  BOOST_TEST(!find_hello({}, 0).has_value());
}

BOOST_AUTO_TEST_CASE(a_hello_that_was_put_together_with_other_octets_is_not_alone) {
  const auto at = [](std::uint32_t offset) {
    hello_repr h;
    h.offset = offset;
    h.control_length = offset + hello_size;
    return encoded(h);
  };
  const auto lone = at(0);
  BOOST_TEST(find_hello(lone, 76)->alone);
  auto with_data = lone;
  with_data.resize(300);
  BOOST_TEST(!find_hello(with_data, 300)->alone);
  BOOST_TEST(find_hello(with_data, 76)->alone); // merged by the kernel, which knows the borders
  // Behind a handshake packet of 100, each in a segment of its own; and as a proxy sends them on.
  octets both(100);
  const auto behind = at(100);
  both.insert(both.end(), behind.begin(), behind.end());
  BOOST_TEST(find_hello(both, 100)->alone);
  const auto joined = find_hello(both, 176);
  BOOST_REQUIRE(joined.has_value());
  BOOST_TEST(joined->at == 100u);
  BOOST_TEST(!joined->alone);
  // What is carried in a datagram, as in a tunnel of a tunnel, is none.
  octets inner(40);
  inner.insert(inner.end(), lone.begin(), lone.end());
  BOOST_TEST(!find_hello(inner, static_cast<std::uint32_t>(inner.size())).has_value());
}

BOOST_AUTO_TEST_CASE(only_a_proxy_changes_all_that_a_hello_names) {
  const seq_num client{1'000}, server{2'000}, other{3'000};
  hello_repr h;
  h.client_iss = client;
  h.server_iss = server;
  const struct {
    const char* what;
    seq_num client, server;
    std::uint16_t window;
    bool alone, proxy;
  } table[] = {
      {"nothing between", client, server, 65'535, true, false},
      {"a window that a shaper has changed", client, server, 501, true, false},
      {"a SYN proxy", client, other, 65'535, true, false},
      {"a SYN proxy and a shaper", client, other, 501, true, false},
      {"a firewall that changes one number", other, server, 501, true, false},
      {"a firewall that changes both", other, other, 65'535, true, false},
      {"a proxy", other, other, 501, true, true},
      {"a proxy, which has joined hello and data", other, other, 65'535, false, true},
      {"something that has joined them", client, server, 65'535, false, true},
  };
  for (const auto& t : table)
    BOOST_TEST(shows_proxy({h, 0, t.alone}, t.window, t.client, t.server) == t.proxy, t.what);
}

BOOST_AUTO_TEST_CASE(capabilities_tell_keys_apart_to_who_knows_the_secret) {
  const session_secret other{1, 2, 3};
  for (const std::uint64_t ours : {0u, 1u, 77u})
    for (const std::uint64_t theirs : {0u, 1u, 77u}) {
      const auto told = key_capability(secret, theirs) | capability::unscaled;
      BOOST_TEST(names_other_key(told, secret, ours) == (ours != theirs));
    }
  BOOST_TEST(!names_other_key(0xffff'0001, secret, 77)); // an older one, which tells nothing
  BOOST_TEST(key_capability(secret, 77) != key_capability(other, 77));
}

BOOST_AUTO_TEST_CASE(the_magic_is_that_of_every_version) {
  auto bytes = encoded(example());
  bytes[8] = 9;
  BOOST_TEST(has_hello_magic(bytes));
  bytes[0] = 'H';
  BOOST_TEST(!has_hello_magic(bytes));
  BOOST_TEST(!has_hello_magic(octets(7, 0x9d)));
}

BOOST_AUTO_TEST_CASE(a_session_has_eight_digits_for_a_name) {
  BOOST_TEST(short_name({0x00, 0x9f, 0xab, 0x10, 0xff}) == "009fab10");
}

BOOST_AUTO_TEST_SUITE_END()
