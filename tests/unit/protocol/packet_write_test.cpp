#include "protocol/checksum.hpp"
#include "protocol/packet.hpp"
#include "tests/support/packets.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>

using namespace tonel::protocol;
using namespace tonel::test;

namespace {

segment_header header(bool v6 = false, std::uint8_t flags = flag::ack) {
  segment_header h;
  h.tuple = {*endpoint::parse(v6 ? "[2001:db8::1]:40000" : "192.0.2.1:40000"),
             *endpoint::parse(v6 ? "[2001:db8::2]:443" : "192.0.2.2:443")};
  h.seq = {0x0102'0304};
  h.ack = {0x0506'0708};
  h.ip_id = 0x1234;
  h.flags = flags;
  return h;
}

/// Header and payload with complete checksums.
octets whole(const segment_header& h, const octets& payload) {
  octets out(h.size());
  BOOST_REQUIRE_EQUAL(write_partial_header(out, h, payload.size()), h.size());
  finish_checksum(out, inet_checksum{}.add(payload));
  put(out, payload);
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(packet_write_test)

BOOST_AUTO_TEST_CASE(segments_are_what_a_hand_made_packet_is) {
  for (const bool v6 : {false, true}) {
    for (const std::size_t n : {0u, 1u, 2u, 10u, 1'400u, 1'401u}) {
      tcp_fields f;
      f.payload = counting(n);
      const auto expected = tcp_packet(f, v6).build();
      BOOST_TEST(whole(header(v6), f.payload) == expected, boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_syn_has_the_options_of_linux_in_their_order) {
  for (const bool v6 : {false, true}) {
    auto h = header(v6, flag::syn);
    h.mss = 1'460;
    h.window = 64'240;
    h.ack = {};
    tcp_fields f;
    f.flags = flag::syn;
    f.window = 64'240;
    f.ack = 0;
    f.options = linux_syn_options;
    BOOST_TEST(whole(h, {}) == tcp_packet(f, v6).build(), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(the_ipv4_header_is_laid_out_as_the_wire_has_it) {
  octets out(40, 0xee);
  write_partial_header(out, header(), 1'400);
  const octets expected{
      0x45, 0, 0x05, 0xa0, 0x12, 0x34, 0x40, 0,    64,   6,    0, 0, 192, 0,
      2,    1, 192,  0,    2,    2,    0x9c, 0x40, 0x01, 0xbb, 1, 2, 3,   4,
      5,    6, 7,    8,    0x50, 0x10, 0xff, 0xff, 0,    0,    0, 0,
  };
  auto shown = out;
  set16(shown, 10, 0);
  set16(shown, 36, 0);
  BOOST_TEST(shown == expected, boost::test_tools::per_element());
  BOOST_TEST(plain_sum({out.begin(), out.begin() + 20}) == 0xffff);
}

BOOST_AUTO_TEST_CASE(the_partial_checksum_is_the_pseudo_headers_sum) {
  octets out(40, 0xee);
  write_partial_header(out, header(), 1'400);
  BOOST_TEST(load_be16(out, 36) == plain_sum({192, 0, 2, 1, 192, 0, 2, 2, 0, 6, 0x05, 0x8c}));
}

BOOST_AUTO_TEST_CASE(headers_fit_in_what_is_reserved_for_them) {
  auto h = header(true, flag::syn | flag::ack);
  h.mss = 1;
  BOOST_TEST(h.size() == max_header);
  octets out(max_header);
  BOOST_TEST(write_partial_header(out, h, 0) == max_header);
}

BOOST_AUTO_TEST_CASE(the_largest_packet_is_written) {
  for (const bool v6 : {false, true}) {
    const auto h = header(v6);
    const auto payload = counting(max_ip_packet - h.size());
    BOOST_TEST(parse_packet(whole(h, payload), {}).has_value());
  }
}

BOOST_AUTO_TEST_CASE(a_payload_summed_in_odd_pieces_gives_the_same_checksum) {
  const auto payload = counting(1'001);
  octets out(40);
  write_partial_header(out, header(), payload.size());
  finish_checksum(out, inet_checksum{}
                           .add({payload.data(), 333})
                           .add({payload.data() + 333, 334})
                           .add({payload.data() + 667, 334}));
  put(out, payload);
  BOOST_TEST(out == whole(header(), payload), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_checksum_that_comes_out_as_zero_stays_zero) {
  // The payload that makes everything else sum to all ones.
  auto h = header();
  octets out(40);
  write_partial_header(out, h, 2);
  const auto rest = plain_sum({out.begin() + 20, out.end()});
  octets payload;
  put16(payload, 0xffffu ^ rest);
  finish_checksum(out, inet_checksum{}.add(payload));
  BOOST_TEST(load_be16(out, 36) == 0);
  put(out, payload);
  BOOST_TEST(parse_packet(out, {}).has_value());
}

BOOST_AUTO_TEST_CASE(anything_written_is_read_back) {
  for (std::uint64_t seed = 1; seed <= 5'000; ++seed) {
    std::mt19937_64 random{seed};
    const bool v6 = random() % 2 == 0;
    constexpr std::uint8_t kinds[] = {
        flag::ack, flag::ack | flag::psh, flag::fin | flag::ack, flag::rst, flag::rst | flag::ack,
        flag::syn, flag::syn | flag::ack};
    auto h = header(v6, kinds[random() % std::size(kinds)]);
    h.tuple.local.port = static_cast<std::uint16_t>(random());
    h.tuple.remote.port = static_cast<std::uint16_t>(random());
    h.seq = {static_cast<std::uint32_t>(random())};
    h.ack = {static_cast<std::uint32_t>(random())};
    h.window = static_cast<std::uint16_t>(random());
    h.ip_id = static_cast<std::uint16_t>(random());
    h.mss = static_cast<std::uint16_t>(1 + random() % 65'535);
    octets payload(random() % 1'600);
    for (auto& b : payload)
      b = static_cast<std::uint8_t>(random());
    const auto packet = whole(h, payload);
    const auto parsed = parse_packet(packet, {});
    BOOST_TEST_CONTEXT("seed " << seed) {
      BOOST_REQUIRE(parsed.has_value());
      const auto& s = std::get<segment_repr>(*parsed);
      BOOST_REQUIRE(s.tuple.local == h.tuple.remote);
      BOOST_REQUIRE(s.tuple.remote == h.tuple.local);
      BOOST_REQUIRE(s.seq == h.seq);
      BOOST_REQUIRE(s.ack == h.ack);
      BOOST_REQUIRE_EQUAL(s.window, h.window);
      BOOST_REQUIRE_EQUAL(s.flags, h.flags);
      BOOST_REQUIRE_EQUAL(s.payload_offset, h.size());
      BOOST_REQUIRE_EQUAL(s.payload_length, payload.size());
      const bool syn = s.has(flag::syn);
      BOOST_REQUIRE_EQUAL(s.mss, syn ? h.mss : 0);
      BOOST_REQUIRE_EQUAL(int{s.window_scale}, syn ? 14 : -1);
      BOOST_REQUIRE_EQUAL(s.sack_permitted, syn);
      BOOST_REQUIRE(!s.timestamps);
    }
  }
}

BOOST_AUTO_TEST_CASE(each_header_of_a_super_segment_counts_on) {
  auto super = header(false, flag::ack | flag::psh | flag::fin);
  super.seq = {0xffff'ff00};
  super.ip_id = 0xffff;
  const auto one = nth_header(super, 0, 0, false);
  BOOST_TEST(one.seq.raw == 0xffff'ff00u);
  BOOST_TEST(one.ip_id == 0xffff);
  BOOST_TEST(one.flags == flag::ack);
  const auto two = nth_header(super, 0x200, 1, true);
  BOOST_TEST(two.seq.raw == 0x100u);
  BOOST_TEST(two.ip_id == 0);
  BOOST_TEST(two.flags == super.flags);
  BOOST_TEST((two.ack == super.ack));
  BOOST_TEST(two.window == super.window);
  BOOST_TEST((two.tuple == super.tuple));
}

BOOST_AUTO_TEST_SUITE_END()
