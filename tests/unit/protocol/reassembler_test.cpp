#include "protocol/packet.hpp"
#include "protocol/reassembler.hpp"
#include "tests/support/packets.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <utility>
#include <variant>

using namespace tonel::protocol;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

constexpr time_point t0{100s};

ip_packet data(std::size_t payload, std::uint16_t id = 0x1234) {
  tcp_fields f;
  f.payload = counting(payload);
  auto p = tcp_packet(f);
  p.id = id;
  p.fragment = 0;
  return p;
}

/// The packet cut as a router does: every piece but the last of as many octets as fit.
std::vector<octets> cut(const ip_packet& whole, std::size_t mtu) {
  const auto packet = whole.build();
  const auto header = std::size_t{4} * (packet[0] & 0x0fu);
  const octets content(packet.begin() + static_cast<std::ptrdiff_t>(header), packet.end());
  const auto room = (mtu - header) / 8 * 8;
  std::vector<octets> out;
  for (std::size_t at = 0; at < content.size(); at += room) {
    const auto n = std::min(room, content.size() - at);
    const auto from = content.begin() + static_cast<std::ptrdiff_t>(at);
    auto piece = whole;
    piece.checksum_at = -1;
    piece.content.assign(from, from + static_cast<std::ptrdiff_t>(n));
    const auto more = at + n < content.size() ? 0x2000u : 0u;
    piece.fragment = static_cast<std::uint16_t>(more | (at / 8));
    out.push_back(piece.build());
  }
  return out;
}

/// A piece of nobody's packet.
octets piece(std::size_t offset, std::size_t length, bool last = false, std::uint16_t id = 0x1234) {
  ip_packet p;
  p.id = id;
  p.content = counting(length);
  p.fragment = static_cast<std::uint16_t>((last ? 0u : 0x2000u) | (offset / 8));
  return p.build();
}

struct hands {
  reassembler r;
  time_point now = t0;
  std::uint32_t dropped = 0;
  std::uint16_t largest = 0;

  /// The whole packet; empty while it is not.
  octets give(const octets& packet) {
    const auto fragment = parse_fragment(packet);
    BOOST_TEST_REQUIRE(fragment.has_value());
    const auto out = r.take(*fragment, packet, now);
    dropped += out.dropped;
    largest = std::max(largest, out.piece);
    return {out.packet.begin(), out.packet.end()};
  }
  octets give(const std::vector<octets>& packets) {
    octets last;
    for (const auto& each : packets) {
      BOOST_TEST(last.empty());
      last = give(each);
    }
    return last;
  }
};

bool is_fragment(const octets& packet) { return parse_fragment(packet).has_value(); }

} // namespace

BOOST_AUTO_TEST_SUITE(reassembler_test)

BOOST_AUTO_TEST_CASE(a_packet_in_pieces_is_the_packet_again) {
  for (const std::size_t mtu : {68u, 576u, 1'400u, 1'492u}) {
    hands h;
    const auto whole = data(1'460);
    const auto pieces = cut(whole, mtu);
    BOOST_TEST(pieces.size() > 1u);
    BOOST_TEST(h.give(pieces) == whole.build(), boost::test_tools::per_element());
    BOOST_TEST(h.dropped == 0u);
    BOOST_TEST(h.r.under_way() == 0u);
    BOOST_TEST(h.largest == 20 + (mtu - 20) / 8 * 8);
  }
}

BOOST_AUTO_TEST_CASE(the_first_piece_names_the_connection) {
  const auto pieces = cut(data(1'460), 1'492);
  const auto first = parse_fragment(pieces[0]);
  BOOST_TEST(first->first());
  BOOST_TEST(first->tuple.local.port == 443);
  BOOST_TEST(first->tuple.remote.port == 40'000);
  BOOST_TEST((first->tuple.local.address == ip_address::v4(192, 0, 2, 2)));
  const auto second = parse_fragment(pieces[1]);
  BOOST_TEST(!second->first());
  BOOST_TEST(second->last);
  BOOST_TEST(second->tuple.local.port == 0);
}

BOOST_AUTO_TEST_CASE(what_is_no_piece_of_a_tcp_packet_is_not_taken) {
  BOOST_TEST(is_fragment(piece(0, 24)));
  BOOST_TEST(!is_fragment({}));
  BOOST_TEST(!is_fragment(octets(19, 0x45)));
  BOOST_TEST(!is_fragment(data(100).build()));      // whole
  BOOST_TEST(!is_fragment(piece(0, 16)));           // the ports, but not all of TCP's header
  BOOST_TEST(!is_fragment(piece(0, 25)));           // not a multiple of 8
  BOOST_TEST(!is_fragment(piece(8, 0)));            // nothing
  BOOST_TEST(!is_fragment(piece(65'528, 8, true))); // behind the largest packet ("ping of death")
  BOOST_TEST(is_fragment(piece(65'504, 11, true))); // its very end
  BOOST_TEST(!is_fragment(piece(65'504, 12, true)));
  ip_packet udp;
  udp.protocol = 17;
  udp.fragment = 0x2000;
  udp.content = counting(24);
  BOOST_TEST(!is_fragment(udp.build()));
  auto cut_off = piece(0, 24);
  cut_off.pop_back();
  BOOST_TEST(!is_fragment(cut_off));
  auto short_header = piece(0, 24);
  short_header[0] = 0x44;
  BOOST_TEST(!is_fragment(short_header));
  ip_packet six;
  six.v6 = true;
  six.extensions = {{44, {0, 0, 1, 0, 0, 0, 1}}};
  six.content = counting(24);
  BOOST_TEST(!is_fragment(six.build()));
}

BOOST_AUTO_TEST_CASE(ip_options_of_the_first_piece_stay) {
  hands h;
  auto whole = data(1'000);
  whole.options = {1, 1, 1, 1};
  const auto again = h.give(cut(whole, 576));
  BOOST_TEST(again == whole.build(), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(pieces_of_several_packets_may_come_in_turn) {
  hands h;
  std::vector<std::vector<octets>> pieces;
  for (std::uint16_t id = 1; id <= reassembler::places; ++id)
    pieces.push_back(cut(data(1'460, id), 576));
  for (std::size_t n = 0; n < pieces[0].size(); ++n)
    for (std::uint16_t id = 1; id <= pieces.size(); ++id) {
      const auto whole = h.give(pieces[id - 1u][n]);
      if (n + 1 == pieces[0].size())
        BOOST_TEST(whole == data(1'460, id).build(), boost::test_tools::per_element());
    }
  BOOST_TEST(h.dropped == 0u);
}

BOOST_AUTO_TEST_CASE(the_same_number_of_other_hosts_is_another_packet) {
  hands h;
  auto other = data(1'460);
  other.source = {192, 0, 2, 99};
  const auto a = cut(data(1'460), 1'492), b = cut(other, 1'492);
  BOOST_TEST(h.give(a[0]).empty());
  BOOST_TEST(h.give(b[0]).empty());
  BOOST_TEST(h.give(a[1]) == data(1'460).build(), boost::test_tools::per_element());
  BOOST_TEST(h.give(b[1]) == other.build(), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_hole_or_an_overlap_loses_the_packet_and_no_other) {
  const auto good = cut(data(1'460, 7), 576);
  // Behind a first piece of 64 octets: a hole, an overlap in its end, inside it ("teardrop"), of all of
  // it and more, and the same once more.
  const std::vector<octets> seconds{piece(72, 64), piece(56, 64), piece(24, 8, true),
                                    piece(8, 128, true), piece(8, 56)};
  for (const auto& second : seconds) {
    hands h;
    BOOST_TEST(h.give(good[0]).empty());
    BOOST_TEST(h.give(piece(0, 64)).empty());
    BOOST_TEST(h.give(second).empty());
    BOOST_TEST(h.dropped == 2u);
    BOOST_TEST(h.give(piece(64, 64, true)).empty()); // it is gone
    BOOST_TEST(h.dropped == 3u);
    BOOST_TEST(h.give(good[1]).empty());
    BOOST_TEST(h.give(good[2]) == data(1'460, 7).build(), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_first_piece_begins_anew) {
  hands h;
  const auto pieces = cut(data(1'460), 1'492);
  BOOST_TEST(h.give(piece(0, 64)).empty());
  BOOST_TEST(h.give(piece(64, 64)).empty());
  BOOST_TEST(h.give(pieces) == data(1'460).build(), boost::test_tools::per_element());
  BOOST_TEST(h.dropped == 2u);
}

BOOST_AUTO_TEST_CASE(pieces_without_their_first_are_not_kept) {
  hands h;
  for (std::size_t at = 8; at < 8'000; at += 8)
    BOOST_TEST(h.give(piece(at, 8)).empty());
  BOOST_TEST(h.dropped == 999u);
  BOOST_TEST(h.r.under_way() == 0u);
}

BOOST_AUTO_TEST_CASE(a_packet_waits_a_second_for_its_rest) {
  hands h;
  const auto pieces = cut(data(1'460), 1'492);
  BOOST_TEST(h.give(pieces[0]).empty());
  h.now += 999ms;
  BOOST_TEST(!h.give(pieces[1]).empty());
  BOOST_TEST(h.give(pieces[0]).empty());
  h.now += 1s;
  BOOST_TEST(h.give(pieces[1]).empty());
  BOOST_TEST(h.dropped == 2u);
  BOOST_TEST(h.r.under_way() == 0u);
}

BOOST_AUTO_TEST_CASE(a_flood_of_beginnings_takes_a_fixed_number_of_places) {
  hands h;
  for (std::uint16_t id = 100; id < 5'100; ++id) {
    h.give(piece(0, 1'480, false, id));
    h.now += 10us;
    BOOST_TEST_REQUIRE(h.r.under_way() <= reassembler::places);
  }
  // Each of them went for a younger one; what comes in one go still passes.
  BOOST_TEST(h.dropped == 5'000u - reassembler::places);
  BOOST_TEST(h.give(cut(data(1'460), 1'492)) == data(1'460).build(),
             boost::test_tools::per_element());
  h.now += 1s;
  BOOST_TEST(h.give(cut(data(1'460), 1'492)) == data(1'460).build(),
             boost::test_tools::per_element());
  BOOST_TEST(h.dropped == 5'000u);
  BOOST_TEST(h.r.under_way() == 0u);
}

BOOST_AUTO_TEST_CASE(a_packet_larger_than_any_links_is_given_up) {
  hands h;
  std::size_t at = 0;
  for (; 20 + at + 1'480 <= reassembler::largest; at += 1'480)
    BOOST_TEST(h.give(piece(at, 1'480)).empty());
  BOOST_TEST(h.dropped == 0u);
  BOOST_TEST(h.give(piece(at, 1'480)).empty());
  BOOST_TEST(h.dropped == at / 1'480 + 1);
  BOOST_TEST(h.r.under_way() == 0u);
  const auto large = data(9'000 - 40);
  BOOST_TEST(h.give(cut(large, 1'500)) == large.build(), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_changed_octet_fails_at_tcps_checksum_as_ever) {
  hands h;
  auto pieces = cut(data(1'460), 1'492);
  const auto good = h.give(pieces);
  BOOST_TEST(parse_packet(good, {}).has_value());
  pieces[1].back() = static_cast<std::uint8_t>(pieces[1].back() ^ 1u);
  const auto changed = h.give(pieces);
  const auto parsed = parse_packet(changed, {});
  BOOST_TEST_REQUIRE(!parsed.has_value());
  BOOST_TEST((parsed.error() == errc::bad_checksum));
}

BOOST_AUTO_TEST_SUITE_END()
