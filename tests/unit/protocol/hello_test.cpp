#include "protocol/hello.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>
#include <vector>

using namespace tonel::protocol;

namespace {

using octets = std::vector<std::uint8_t>;

hello_repr example() {
  hello_repr h;
  h.offset = 0x0102;
  h.control_length = h.offset + hello_size;
  for (std::uint8_t i = 0; i < 16; ++i)
    h.session[i] = static_cast<std::uint8_t>(0xa0 + i);
  h.stream_index = 2;
  h.stream_count = 5;
  h.capabilities = 0xdeadbeef;
  h.keepalive = std::chrono::seconds{20};
  h.mtu = 1'420;
  return h;
}

octets encoded(const hello_repr& h) {
  const auto bytes = encode_hello(h);
  return {bytes.begin(), bytes.end()};
}

} // namespace

BOOST_AUTO_TEST_SUITE(hello_test)

BOOST_AUTO_TEST_CASE(layout_is_what_the_document_says) {
  const octets expected = {
      0x9d, 't',  'o',  'n',  'e',  'l',  0x0a, 0x1a, // magic
      1,    0,    2,    5,                            // version, reserved, index, count
      0,    0,    1,    2,    0,    0,    1,    0x32, // offset, control length
      0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae,
      0xaf, // session
      0xde, 0xad, 0xbe, 0xef, 0,    20,   0x05, 0x8c, 0,    0,    0,    0,
  };
  BOOST_TEST(encoded(example()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_encoded_is_read_back) {
  const auto bytes = encoded(example());
  const auto read = parse_hello(bytes);
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(read->version == 1);
  BOOST_TEST(read->offset == 0x0102u);
  BOOST_TEST(read->control_length == 0x0132u);
  BOOST_TEST((read->session == example().session));
  BOOST_TEST(read->stream_index == 2);
  BOOST_TEST(read->stream_count == 5);
  BOOST_TEST(read->capabilities == 0xdeadbeef);
  BOOST_TEST(read->keepalive.count() == 20);
  BOOST_TEST(read->mtu == 1'420);
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
      {"version", [](octets& b) { b[8] = 2; }},
      {"no streams", [](octets& b) { b[11] = 0; }},
      {"index beyond count", [](octets& b) { b[10] = 5; }},
      {"offset", [](octets& b) { b[13] = 1; }},
      {"control ends before the hello", [](octets& b) { --b[19]; }},
      {"control goes on after it", [](octets& b) { ++b[19]; }},
      {"a proof that is not there", [](octets& b) { b[45] = 4, b[19] += 4; }},
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

BOOST_AUTO_TEST_CASE(a_later_proof_is_skipped) {
  auto bytes = encoded(example());
  bytes[45] = 4;
  bytes[19] = static_cast<std::uint8_t>(bytes[19] + 4);
  bytes.resize(hello_size + 4 + 10);
  const auto read = parse_hello(bytes);
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(read->control_length == read->offset + hello_size + 4);
}

BOOST_AUTO_TEST_CASE(hello_is_found_at_segment_borders) {
  const auto hello = encoded(example());
  for (const std::uint32_t size : {48u, 100u, 500u}) {
    octets payload(2 * size);
    payload.insert(payload.end(), hello.begin(), hello.end());
    const auto found = find_hello(payload, size);
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST(found->at == 2 * size);
    BOOST_TEST(!find_hello(payload, 2 * size + 1).has_value());
    payload.pop_back();
    BOOST_TEST(!find_hello(payload, size).has_value());
  }
  BOOST_TEST(find_hello(hello, 48)->at == 0u);
  BOOST_TEST(find_hello(hello, 0)->at == 0u);
  BOOST_TEST(!find_hello({}, 0).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
