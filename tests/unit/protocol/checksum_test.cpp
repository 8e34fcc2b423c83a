#include "protocol/checksum.hpp"
#include "tests/support/packets.hpp"

#include <boost/test/unit_test.hpp>

#include <random>

using namespace tonel::protocol;
using namespace tonel::test;

BOOST_AUTO_TEST_SUITE(checksum_test)

BOOST_AUTO_TEST_CASE(the_example_of_rfc_1071_sums_to_ddf2) {
  const octets example{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  const auto sum = inet_checksum{}.add(example);
  BOOST_TEST(sum.folded() == 0xddf2);
  BOOST_TEST(sum.finish() == 0x220d);
}

BOOST_AUTO_TEST_CASE(nothing_sums_to_zero) {
  BOOST_TEST(inet_checksum{}.folded() == 0);
  BOOST_TEST(inet_checksum{}.add(byte_view{}).folded() == 0);
}

BOOST_AUTO_TEST_CASE(an_odd_last_octet_is_padded_with_zero) {
  BOOST_TEST(inet_checksum{}.add(octets{0xab}).folded() == 0xab00);
  BOOST_TEST(inet_checksum{}.add(octets{0x01, 0x02, 0x03}).folded() == 0x0402);
}

BOOST_AUTO_TEST_CASE(every_length_and_alignment_agrees_with_the_plain_loop) {
  constexpr std::uint64_t seed = 1;
  std::mt19937_64 random{seed};
  octets data(300);
  for (auto& b : data)
    b = static_cast<std::uint8_t>(random());
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t n = 0; from + n <= data.size(); ++n) {
      const octets piece(data.begin() + static_cast<std::ptrdiff_t>(from),
                         data.begin() + static_cast<std::ptrdiff_t>(from + n));
      BOOST_TEST_CONTEXT("seed " << seed << " from " << from << " length " << n)
      BOOST_REQUIRE_EQUAL(inet_checksum{}.add({data.data() + from, n}).folded(), plain_sum(piece));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_largest_packet_of_ones_does_not_overflow) {
  const octets ones(max_ip_packet, 0xff);
  BOOST_TEST(inet_checksum{}.add(ones).folded() == plain_sum(ones));
  auto sum = inet_checksum{};
  for (int i = 0; i < 1'000; ++i)
    sum = sum.add({ones.data(), ones.size() - 1});
  BOOST_TEST(sum.folded() == 0xffff);
}

BOOST_AUTO_TEST_CASE(pieces_of_any_length_sum_to_the_whole) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    std::mt19937_64 random{seed};
    octets data(random() % 4'000);
    for (auto& b : data)
      b = static_cast<std::uint8_t>(random());
    inet_checksum sum;
    for (std::size_t at = 0; at < data.size();) {
      const auto n = std::min<std::size_t>(random() % 100, data.size() - at);
      if (n == 2 && random() % 2 == 0) {
        sum = sum.add16(static_cast<std::uint16_t>((data[at] << 8) | data[at + 1]));
      } else {
        sum = sum.add({data.data() + at, n});
      }
      at += n;
    }
    BOOST_TEST_CONTEXT("seed " << seed)
    BOOST_REQUIRE_EQUAL(sum.folded(), plain_sum(data));
  }
}

BOOST_AUTO_TEST_CASE(pseudo_headers_have_addresses_length_and_protocol) {
  const auto a4 = ip_address::v4(192, 0, 2, 1);
  const auto b4 = ip_address::v4(198, 51, 100, 7);
  BOOST_TEST(tcp_pseudo_header(a4, b4, 1'420).folded() ==
             plain_sum({192, 0, 2, 1, 198, 51, 100, 7, 0, 6, 5, 140}));
  const octets a = counting(16, 0x20);
  const octets b = counting(16, 0xe7);
  octets header = a;
  put(header, b);
  put32(header, 0x0001'0203);
  put32(header, 58);
  BOOST_TEST(
      pseudo_header(ip_address::v6(a.data()), ip_address::v6(b.data()), 58, 0x0001'0203).folded() ==
      plain_sum(header));
}

BOOST_AUTO_TEST_SUITE_END()
