#include "protocol/packet.hpp"
#include "tests/support/packets.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <initializer_list>
#include <random>
#include <utility>
#include <variant>

namespace tonel::protocol {
// For Boost.Test's messages.
std::ostream& boost_test_print_type(std::ostream& out, errc e) { return out << to_string(e); }
} // namespace tonel::protocol

using namespace tonel::protocol;
using namespace tonel::test;

namespace {

segment_repr segment_of(const octets& packet, const offload_repr& offload = {}) {
  const auto parsed = parse_packet(packet, offload);
  if (!parsed) BOOST_FAIL("not parsed: " << to_string(parsed.error()));
  const auto* segment = std::get_if<segment_repr>(&*parsed);
  BOOST_REQUIRE(segment != nullptr);
  return *segment;
}

packet_too_big too_big_of(const octets& packet) {
  const auto parsed = parse_packet(packet, {});
  if (!parsed) BOOST_FAIL("not parsed: " << to_string(parsed.error()));
  const auto* icmp = std::get_if<packet_too_big>(&*parsed);
  BOOST_REQUIRE(icmp != nullptr);
  return *icmp;
}

/// errc::count_ where it parses.
errc error_of(const octets& packet, const offload_repr& offload = {}) {
  const auto parsed = parse_packet(packet, offload);
  return parsed ? errc::count_ : parsed.error();
}

octets first(const octets& b, std::size_t n) {
  return {b.begin(), b.begin() + static_cast<std::ptrdiff_t>(std::min(n, b.size()))};
}

constexpr offload_repr vouched{true, 0};

tcp_fields with_data(std::size_t n = 10) {
  tcp_fields f;
  f.payload = counting(n);
  return f;
}

tcp_fields a_syn(octets options = linux_syn_options) {
  tcp_fields f;
  f.flags = flag::syn;
  f.options = std::move(options);
  return f;
}

extension padded(std::uint8_t type, std::size_t size = 8) {
  octets rest(size - 1, 0);
  rest[0] = static_cast<std::uint8_t>(size / 8 - 1);
  return {type, rest};
}

} // namespace

BOOST_AUTO_TEST_SUITE(packet_parse_test)

BOOST_AUTO_TEST_CASE(a_data_segment_is_read_in_both_ip_versions) {
  for (const bool v6 : {false, true}) {
    const auto s = segment_of(tcp_packet(with_data(), v6).build());
    BOOST_TEST(s.tuple.remote.to_string() == (v6 ? "[2001:db8::1]:40000" : "192.0.2.1:40000"));
    BOOST_TEST(s.tuple.local.to_string() == (v6 ? "[2001:db8::2]:443" : "192.0.2.2:443"));
    BOOST_TEST(s.seq.raw == 0x0102'0304u);
    BOOST_TEST(s.ack.raw == 0x0506'0708u);
    BOOST_TEST(s.window == 65'535);
    BOOST_TEST(s.flags == flag::ack);
    BOOST_TEST(s.payload_offset == (v6 ? 60u : 40u));
    BOOST_TEST(s.payload_length == 10u);
    BOOST_TEST(s.datagram_size == 10u);
    BOOST_TEST(s.length() == 10u);
  }
}

BOOST_AUTO_TEST_CASE(a_syn_and_a_fin_take_a_number_each) {
  BOOST_TEST(segment_of(tcp_packet(a_syn()).build()).length() == 1u);
  auto f = with_data(3);
  f.flags = flag::fin | flag::ack;
  BOOST_TEST(segment_of(tcp_packet(f).build()).end().raw == f.seq + 4);
}

BOOST_AUTO_TEST_CASE(ip_options_and_tcp_options_move_the_payload) {
  auto f = with_data();
  f.options = {1, 1, 1, 0, 0, 0, 0, 0};
  auto p = tcp_packet(f);
  p.options = octets(40, 1);
  BOOST_TEST(segment_of(p.build()).payload_offset == 20u + 40u + 28u);
}

BOOST_AUTO_TEST_CASE(extension_headers_are_walked) {
  auto p = tcp_packet(with_data(), true);
  p.extensions = {padded(0), padded(60, 24), padded(43), padded(60)};
  const auto s = segment_of(p.build());
  BOOST_TEST(s.payload_offset == 40u + 48u + 20u);
  BOOST_TEST(s.payload_length == 10u);
}

BOOST_AUTO_TEST_CASE(an_extension_header_behind_the_end_is_truncated) {
  auto p = tcp_packet({}, true);
  p.extensions = {padded(0)};
  p.extensions[0].rest[0] = 3; // 32 octets where 28 follow
  BOOST_TEST(error_of(p.build()) == errc::truncated);
  ip_packet bare;
  bare.v6 = true;
  bare.protocol = 60;
  for (std::size_t n = 0; n < 8; ++n) {
    bare.content = octets(n, 0);
    BOOST_TEST(error_of(bare.build()) == errc::truncated);
  }
}

BOOST_AUTO_TEST_CASE(fragments_are_told) {
  for (const auto field :
       std::initializer_list<std::uint16_t>{0x2000, 0x0001, 0x1fff, 0x6000, 0x4001}) {
    auto p = tcp_packet(with_data());
    p.fragment = field;
    BOOST_TEST(error_of(p.build()) == errc::fragment);
  }
  for (const auto field : std::initializer_list<std::uint16_t>{0x0000, 0x4000, 0x8000}) {
    auto p = tcp_packet(with_data());
    p.fragment = field;
    BOOST_TEST(error_of(p.build()) == errc::count_);
  }
  auto p = tcp_packet(with_data(), true);
  p.extensions = {padded(0), {44, {0, 0, 1, 0, 0, 0, 1}}};
  BOOST_TEST(error_of(p.build()) == errc::fragment);
}

BOOST_AUTO_TEST_CASE(a_fragment_whose_header_is_not_there_is_a_fragment) {
  ip_packet p;
  p.fragment = 0x2001;
  p.content = {1, 2, 3};
  BOOST_TEST(error_of(p.build()) == errc::fragment);
}

BOOST_AUTO_TEST_CASE(padding_behind_the_packet_is_ignored) {
  for (const bool v6 : {false, true}) {
    auto p = tcp_packet(with_data(1), v6).build();
    put(p, octets(46, 0xee));
    BOOST_TEST(segment_of(p).payload_length == 1u);
  }
}

BOOST_AUTO_TEST_CASE(a_length_beyond_what_was_read_is_bad) {
  for (const bool v6 : {false, true}) {
    auto p = tcp_packet(with_data(), v6).build();
    p.pop_back();
    BOOST_TEST(error_of(p) == errc::bad_length);
  }
}

BOOST_AUTO_TEST_CASE(impossible_header_lengths_are_refused) {
  for (std::uint8_t words = 0; words < 5; ++words) {
    auto p = tcp_packet(with_data()).build();
    p[0] = static_cast<std::uint8_t>(0x40 | words);
    BOOST_TEST(error_of(p) == errc::bad_header_length);
    auto f = with_data();
    f.data_offset = words;
    BOOST_TEST(error_of(tcp_packet(f).build()) == errc::bad_header_length);
  }
  auto f = with_data(3);
  f.data_offset = 6;
  BOOST_TEST(error_of(tcp_packet(f).build()) == errc::truncated);
  auto p = tcp_packet({}).build();
  p[0] = 0x4b; // 44 octets, of 40
  BOOST_TEST(error_of(p) == errc::truncated);
  p = tcp_packet({}).build();
  set16(p, 2, 19);
  BOOST_TEST(error_of(p) == errc::truncated);
}

BOOST_AUTO_TEST_CASE(every_prefix_is_refused) {
  for (const bool v6 : {false, true}) {
    const auto whole = tcp_packet(a_syn(), v6).build();
    for (std::size_t n = 0; n < whole.size(); ++n) {
      const auto e = error_of(first(whole, n));
      BOOST_TEST((e == errc::truncated || e == errc::bad_length));
      // The same with lengths that agree with what is there.
      auto cut = first(whole, n);
      if (n >= 40) set16(cut, v6 ? 4 : 2, static_cast<std::uint32_t>(v6 ? n - 40 : n));
      BOOST_TEST(error_of(cut, vouched) != errc::count_);
    }
  }
}

BOOST_AUTO_TEST_CASE(other_ip_versions_are_refused) {
  for (unsigned version = 0; version < 16; ++version) {
    if (version == 4 || version == 6) continue;
    auto p = tcp_packet(with_data()).build();
    p[0] = static_cast<std::uint8_t>(version << 4 | 5);
    BOOST_TEST(error_of(p) == errc::bad_version);
  }
}

BOOST_AUTO_TEST_CASE(any_flipped_bit_fails_the_checksum_unless_vouched_for) {
  for (const bool v6 : {false, true}) {
    const auto good = tcp_packet(with_data(11), v6).build();
    // Not version and lengths, which are judged first; nor what no checksum covers in IPv6.
    for (std::size_t at = v6 ? 8 : 4; at < good.size(); ++at) {
      if (!v6 && (at == 6 || at == 7 || at == 9)) continue;
      if (at == (v6 ? 52u : 32u)) continue; // data offset
      auto p = good;
      p[at] = static_cast<std::uint8_t>(p[at] ^ 0x10);
      BOOST_TEST_CONTEXT("octet " << at) BOOST_TEST(error_of(p) == errc::bad_checksum);
      if (at != (v6 ? 53u : 33u)) // flags
        BOOST_TEST(error_of(p, vouched) == errc::count_);
    }
  }
}

BOOST_AUTO_TEST_CASE(flags_that_no_tcp_sends_are_refused) {
  using namespace flag;
  for (unsigned flags = 0; flags < 256; ++flags) {
    auto f = with_data();
    f.flags = static_cast<std::uint8_t>(flags);
    const auto core = flags & (syn | ack | fin | rst);
    const bool good = core == syn || core == (syn | ack) || core == rst || core == (rst | ack) ||
                      core == ack || core == (fin | ack);
    BOOST_TEST_CONTEXT("flags " << flags)
    BOOST_TEST(error_of(tcp_packet(f).build()) == (good ? errc::count_ : errc::bad_flags));
  }
}

BOOST_AUTO_TEST_CASE(options_of_a_syn_are_read) {
  const auto s = segment_of(tcp_packet(a_syn()).build());
  BOOST_TEST(s.mss == 1'460);
  BOOST_TEST(s.sack_permitted);
  BOOST_TEST(!s.timestamps);
  BOOST_TEST(int{s.window_scale} == 14);

  const auto with_timestamps =
      segment_of(tcp_packet(a_syn({4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8})).build());
  BOOST_TEST(with_timestamps.timestamps);
  BOOST_TEST(with_timestamps.mss == 0);
  BOOST_TEST(int{with_timestamps.window_scale} == -1);
}

BOOST_AUTO_TEST_CASE(options_without_a_syn_are_not_read) {
  auto f = with_data();
  f.options = {2, 0, 255, 255};
  const auto s = segment_of(tcp_packet(f).build());
  BOOST_TEST(s.mss == 0);
  BOOST_TEST(s.payload_length == 10u);
}

BOOST_AUTO_TEST_CASE(a_window_scale_above_14_is_14) {
  BOOST_TEST(int{segment_of(tcp_packet(a_syn({3, 3, 15, 0})).build()).window_scale} == 14);
  BOOST_TEST(int{segment_of(tcp_packet(a_syn({3, 3, 255, 0})).build()).window_scale} == 14);
  BOOST_TEST(int{segment_of(tcp_packet(a_syn({3, 3, 0, 0})).build()).window_scale} == 0);
}

BOOST_AUTO_TEST_CASE(options_that_cannot_be_walked_are_refused) {
  for (const auto& bad : {
           octets{1, 1, 1, 2},   // kind at the very end
           octets{1, 1, 2, 4},   // MSS behind the end
           octets{99, 0, 1, 1},  // would never end
           octets{99, 1, 1, 1},  // shorter than itself
           octets{99, 5, 1, 1},  // by one
           octets{8, 255, 1, 1}, // far
       })
    BOOST_TEST(error_of(tcp_packet(a_syn(bad)).build()) == errc::bad_options);
}

BOOST_AUTO_TEST_CASE(what_stands_behind_the_end_of_options_is_not_read) {
  const auto s = segment_of(tcp_packet(a_syn({4, 2, 0, 2, 99, 0, 0, 0})).build());
  BOOST_TEST(s.sack_permitted);
  BOOST_TEST(s.mss == 0);
}

BOOST_AUTO_TEST_CASE(unknown_options_and_odd_sizes_of_known_ones_are_skipped) {
  const auto s =
      segment_of(tcp_packet(a_syn({2, 3, 9, 34, 2, 253, 3, 7, 2, 4, 0x02, 0x18})).build());
  BOOST_TEST(s.mss == 536);
}

BOOST_AUTO_TEST_CASE(a_merged_packet_tells_the_size_of_its_datagrams) {
  const auto p = tcp_packet(with_data(3'000)).build();
  const auto size = [&](std::uint16_t segment_size) {
    return segment_of(p, {true, segment_size}).datagram_size;
  };
  BOOST_TEST(size(0) == 3'000u);
  BOOST_TEST(size(1'400) == 1'400u);
  BOOST_TEST(size(2'999) == 2'999u);
  BOOST_TEST(size(3'000) == 3'000u);
  BOOST_TEST(size(4'000) == 3'000u);
  BOOST_TEST(segment_of(tcp_packet({}).build(), {true, 1'400}).datagram_size == 0u);
}

BOOST_AUTO_TEST_CASE(the_largest_packet_is_read) {
  const auto v4 = segment_of(tcp_packet(with_data(max_ip_packet - 40)).build(), {false, 1'000});
  BOOST_TEST(v4.payload_length == max_ip_packet - 40);
  const auto v6 = segment_of(tcp_packet(with_data(65'535 - 20), true).build());
  BOOST_TEST(v6.payload_length == 65'535u - 20u);
}

BOOST_AUTO_TEST_CASE(other_protocols_are_not_tcp) {
  for (const auto protocol : octets{2, 17, 41, 47, 58, 132}) {
    ip_packet p;
    p.protocol = protocol;
    p.content = counting(8);
    BOOST_TEST(error_of(p.build()) == errc::not_tcp);
  }
  for (const auto protocol : octets{1, 17, 50, 51, 59}) {
    ip_packet p;
    p.v6 = true;
    p.protocol = protocol;
    p.content = counting(8);
    BOOST_TEST(error_of(p.build()) == errc::not_tcp);
  }
}

BOOST_AUTO_TEST_CASE(the_hosts_own_talk_on_the_link_is_not_tcp) {
  for (const auto type : octets{130, 131, 132, 133, 134, 135, 136, 143}) {
    ip_packet p;
    p.v6 = true;
    p.protocol = 58;
    p.content = {type, 0, 0, 0, 0, 0, 0, 0};
    p.checksum_at = 2;
    if (type == 143) p.extensions = {{0, {0, 5, 2, 0, 0, 1, 0}}}; // MLD has a router alert
    BOOST_TEST(error_of(p.build()) == errc::not_tcp);
  }
}

BOOST_AUTO_TEST_CASE(other_icmp_is_ignored) {
  const auto quote = tcp_packet(with_data()).build();
  for (const auto& [type, code] : {std::pair{0, 0}, {4, 0}, {5, 4}, {8, 0}, {11, 0}}) {
    auto p = too_big(quote, 1'400);
    p.content[0] = static_cast<std::uint8_t>(type);
    p.content[1] = static_cast<std::uint8_t>(code);
    BOOST_TEST(error_of(p.build()) == errc::icmp_ignored);
  }
  for (const auto type : octets{3, 4, 128, 129, 138}) {
    auto p = too_big(tcp_packet(with_data(), true).build(), 1'400, true);
    p.content[0] = type;
    BOOST_TEST(error_of(p.build()) == errc::icmp_ignored);
  }
  ip_packet tiny;
  tiny.protocol = 1;
  tiny.content = {3, 4, 0, 0, 0, 0, 5};
  BOOST_TEST(error_of(tiny.build()) == errc::truncated);
}

BOOST_AUTO_TEST_CASE(packet_too_big_quotes_our_packet) {
  for (const bool v6 : {false, true}) {
    const auto quote = tcp_packet(with_data(), v6).build();
    // A router may quote no more than 8 octets behind the IP header.
    for (const std::size_t n : {quote.size(), std::size_t{v6 ? 48u : 28u}}) {
      const auto icmp = too_big_of(too_big(first(quote, n), 1'400, v6).build());
      BOOST_TEST(icmp.quoted.local.to_string() == (v6 ? "[2001:db8::1]:40000" : "192.0.2.1:40000"));
      BOOST_TEST(icmp.quoted.remote.to_string() == (v6 ? "[2001:db8::2]:443" : "192.0.2.2:443"));
      BOOST_TEST(icmp.seq.raw == 0x0102'0304u);
      BOOST_TEST(icmp.mtu == 1'400u);
    }
    BOOST_TEST(error_of(too_big(first(quote, v6 ? 47 : 27), 1'400, v6).build()) ==
               errc::icmp_ignored);
  }
}

BOOST_AUTO_TEST_CASE(what_icmp_says_of_an_undelivered_packet_is_one_of_four_things) {
  using kind = unreachable_kind;
  struct said {
    bool v6;
    std::uint8_t code;
    kind what;
  };
  const said table[] = {
      {false, 0, kind::network},     {false, 6, kind::network},     {false, 11, kind::network},
      {false, 1, kind::host},        {false, 7, kind::host},        {false, 12, kind::host},
      {false, 3, kind::port},        {false, 2, kind::port},        {false, 9, kind::prohibited},
      {false, 10, kind::prohibited}, {false, 13, kind::prohibited}, {false, 200, kind::host},
      {true, 0, kind::network},      {true, 2, kind::network},      {true, 1, kind::prohibited},
      {true, 5, kind::prohibited},   {true, 6, kind::prohibited},   {true, 3, kind::host},
      {true, 4, kind::port},         {true, 200, kind::host}};
  for (const auto& row : table) {
    const auto quote = tcp_packet(a_syn(), row.v6).build();
    for (const std::size_t n : {quote.size(), std::size_t{row.v6 ? 48u : 28u}}) {
      auto p = too_big(first(quote, n), 0, row.v6);
      p.content[0] = row.v6 ? 1 : 3;
      p.content[1] = row.code;
      const auto parsed = parse_packet(p.build(), {});
      BOOST_TEST_REQUIRE(parsed.has_value());
      const auto* icmp = std::get_if<packet_undelivered>(&*parsed);
      BOOST_TEST_REQUIRE(icmp != nullptr);
      BOOST_TEST((icmp->what == row.what), "code " << int{row.code});
      BOOST_TEST(icmp->quoted.local.to_string() ==
                 (row.v6 ? "[2001:db8::1]:40000" : "192.0.2.1:40000"));
      BOOST_TEST(icmp->seq.raw == 0x0102'0304u);
      BOOST_TEST(bool{icmp->from});
      auto forged = p.build();
      forged.back() = static_cast<std::uint8_t>(forged.back() ^ 1);
      BOOST_TEST(error_of(forged) == errc::bad_checksum);
    }
  }
}

BOOST_AUTO_TEST_CASE(lengths_in_a_quote_mean_nothing) {
  auto quote = first(tcp_packet(with_data()).build(), 28);
  set16(quote, 2, 65'000); // a super-segment's, and the checksum no longer fits
  BOOST_TEST(too_big_of(too_big(quote, 1'280).build()).mtu == 1'280u);
}

BOOST_AUTO_TEST_CASE(the_mtu_of_an_icmp_has_a_floor) {
  const auto v4 = tcp_packet(with_data()).build();
  const auto v6 = tcp_packet(with_data(), true).build();
  BOOST_TEST(error_of(too_big(v4, 0).build()) == errc::icmp_ignored);
  BOOST_TEST(error_of(too_big(v4, 67).build()) == errc::icmp_ignored);
  BOOST_TEST(too_big_of(too_big(v4, 68).build()).mtu == 68u);
  BOOST_TEST(error_of(too_big(v6, 1'279, true).build()) == errc::icmp_ignored);
  BOOST_TEST(too_big_of(too_big(v6, 1'280, true).build()).mtu == 1'280u);
  BOOST_TEST(too_big_of(too_big(v6, 0xffff'ffff, true).build()).mtu == 0xffff'ffffu);
}

BOOST_AUTO_TEST_CASE(quotes_that_name_no_stream_are_ignored) {
  auto p = tcp_packet(with_data());
  p.fragment = 0x0010;
  BOOST_TEST(error_of(too_big(p.build(), 1'400).build()) == errc::icmp_ignored);
  p = tcp_packet(with_data());
  p.protocol = 17;
  BOOST_TEST(error_of(too_big(p.build(), 1'400).build()) == errc::icmp_ignored);
  const auto v6 = tcp_packet(with_data(), true).build();
  BOOST_TEST(error_of(too_big(v6, 1'400).build()) == errc::icmp_ignored);
  BOOST_TEST(error_of(too_big({}, 1'400).build()) == errc::icmp_ignored);
  auto broken = tcp_packet(with_data()).build();
  broken[0] = 0x44;
  BOOST_TEST(error_of(too_big(broken, 1'400).build()) == errc::icmp_ignored);
}

BOOST_AUTO_TEST_CASE(a_forged_icmp_needs_a_right_checksum) {
  for (const bool v6 : {false, true}) {
    auto p = too_big(tcp_packet(with_data(), v6).build(), 1'400, v6).build();
    p.back() = static_cast<std::uint8_t>(p.back() ^ 1);
    BOOST_TEST(error_of(p) == errc::bad_checksum);
    BOOST_TEST(error_of(p, vouched) == errc::count_);
  }
}

BOOST_AUTO_TEST_CASE(damaged_packets_never_name_octets_that_are_not_there) {
  std::vector<octets> seeds;
  for (const bool v6 : {false, true}) {
    seeds.push_back(tcp_packet(with_data(), v6).build());
    seeds.push_back(tcp_packet(a_syn(), v6).build());
    seeds.push_back(too_big(tcp_packet(with_data(), v6).build(), 1'400, v6).build());
  }
  seeds.push_back([] {
    auto p = tcp_packet(with_data(), true);
    p.extensions = {padded(0), padded(60, 16), padded(43)};
    return p.build();
  }());
  for (std::uint64_t seed = 1; seed <= 20'000; ++seed) {
    std::mt19937_64 random{seed};
    auto p = seeds[random() % seeds.size()];
    for (auto n = random() % 4; n-- != 0;)
      p[random() % p.size()] = static_cast<std::uint8_t>(random());
    if (random() % 2 == 0) p.resize(random() % (p.size() + 20));
    const offload_repr offload{true, static_cast<std::uint16_t>(random() % 12)};
    const auto parsed = parse_packet(p, offload);
    if (!parsed) continue;
    const auto* s = std::get_if<segment_repr>(&*parsed);
    if (s == nullptr) continue;
    BOOST_TEST_CONTEXT("seed " << seed) {
      BOOST_REQUIRE_LE(s->payload_offset + s->payload_length, p.size());
      BOOST_REQUIRE_LE(s->datagram_size, s->payload_length);
      BOOST_REQUIRE_EQUAL(s->datagram_size == 0, s->payload_length == 0);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
