#include "protocol/guess_limit.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::protocol;
using namespace std::chrono_literals;

namespace {

struct fixture {
  guess_limit under_test{address_hash{7}};
  time_point now = time_point{100h};
  ip_address one = ip_address::v4(198, 51, 100, 7), other = ip_address::v4(198, 51, 100, 8);

  /// Wrong guesses, each another; how many of them began a rest.
  int guess(const ip_address& source, std::uint32_t count, std::uint32_t from = 0) {
    int rests = 0;
    for (std::uint32_t i = 0; i < count; ++i)
      rests += under_test.wrong(source, from + i, now) ? 1 : 0;
    return rests;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(guess_limit_test, fixture)

BOOST_AUTO_TEST_CASE(a_source_that_guesses_64_times_rests_for_10_minutes) {
  BOOST_TEST(guess(one, 63) == 0);
  BOOST_TEST(!under_test.rests(one, true, now));
  BOOST_TEST(guess(one, 65'472, 63) == 1); // which is told once
  BOOST_TEST(under_test.rests(one, true, now));
  BOOST_TEST(!under_test.rests(other, false, now));
  now += 10min - 1s;
  BOOST_TEST(under_test.rests(one, true, now));
  now += 1s;
  BOOST_TEST(!under_test.rests(one, true, now));
  BOOST_TEST(guess(one, 64) == 1);
}

BOOST_AUTO_TEST_CASE(guesses_that_are_far_apart_do_no_harm) {
  for (int i = 0; i < 20; ++i) {
    BOOST_TEST(guess(one, 60, 60u * static_cast<unsigned>(i)) == 0);
    now += 10min;
  }
  BOOST_TEST(!under_test.rests(one, false, now));
}

BOOST_AUTO_TEST_CASE(what_a_client_repeats_to_a_restarted_server_is_one_guess) {
  for (int i = 0; i < 10'000; ++i)
    for (std::uint32_t connection = 0; connection < 8; ++connection)
      BOOST_TEST(!under_test.wrong(one, connection, now));
  BOOST_TEST(!under_test.rests(one, false, now));
}

BOOST_AUTO_TEST_CASE(what_all_guess_is_bounded_and_spares_those_with_a_group) {
  std::uint32_t source = 0;
  const auto next = [&source] {
    ++source;
    return ip_address::v4(10, static_cast<std::uint8_t>(source >> 16),
                          static_cast<std::uint8_t>(source >> 8),
                          static_cast<std::uint8_t>(source));
  };
  while (source < 4'096)
    under_test.wrong(next(), 1, now);
  BOOST_TEST(under_test.rests(one, false, now));
  BOOST_TEST(!under_test.rests(one, true, now));
  // One of them is made up for every 146 ms.
  now += 146ms;
  BOOST_TEST(!under_test.rests(one, false, now));
  under_test.wrong(next(), 1, now);
  BOOST_TEST(under_test.rests(one, false, now));
  now += 10min;
  BOOST_TEST(!under_test.rests(one, false, now));
}

BOOST_AUTO_TEST_CASE(an_ipv6_source_is_a_network) {
  std::array<std::uint8_t, 16> octets{0x20, 1, 0xd, 0xb8};
  for (std::uint32_t i = 0; i < 64; ++i) {
    octets[15] = static_cast<std::uint8_t>(i);
    under_test.wrong(ip_address::v6(octets.data()), i, now);
  }
  octets[14] = 9;
  BOOST_TEST(under_test.rests(ip_address::v6(octets.data()), false, now));
  octets[7] = 1;
  BOOST_TEST(!under_test.rests(ip_address::v6(octets.data()), false, now));
}

BOOST_AUTO_TEST_SUITE_END()
