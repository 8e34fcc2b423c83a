#include "protocol/guess_limit.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::protocol;
using namespace std::chrono_literals;

namespace {

using standing = guess_limit::standing;

struct fixture {
  guess_limit under_test{address_hash{7}};
  time_point now = time_point{100h};
  ip_address one = ip_address::v4(198, 51, 100, 7), other = ip_address::v4(198, 51, 100, 8);

  /// Wrong guesses, each another; how many of them began a rest.
  int guess(const ip_address& source, std::uint32_t count, std::uint32_t from = 0,
            standing of = standing::none, guess_kind kind = guess_kind::opening) {
    int rests = 0;
    for (std::uint32_t i = 0; i < count; ++i)
      rests += under_test.wrong(source, of, kind, from + i, now) != 0 ? 1 : 0;
    return rests;
  }
  bool rests(const ip_address& source, standing of = standing::none,
             guess_kind kind = guess_kind::opening) const {
    return under_test.rests(source, of, kind, now);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(guess_limit_test, fixture)

BOOST_AUTO_TEST_CASE(a_source_that_guesses_64_times_rests_for_10_minutes) {
  BOOST_TEST(guess(one, 63) == 0);
  BOOST_TEST(!rests(one, standing::has_group));
  BOOST_TEST(guess(one, 65'472, 63) == 1); // which is told once
  BOOST_TEST(rests(one, standing::has_group));
  BOOST_TEST(!rests(other));
  now += 10min - 1s;
  BOOST_TEST(rests(one, standing::has_group));
  now += 1s;
  BOOST_TEST(!rests(one, standing::has_group));
  BOOST_TEST(guess(one, 64) == 1);
}

BOOST_AUTO_TEST_CASE(a_source_that_has_proven_itself_may_be_guessed_about_1024_times) {
  BOOST_TEST(guess(one, 1'023, 0, standing::proven) == 0);
  BOOST_TEST(!rests(one, standing::proven));
  // Not less when its group ends meanwhile.
  BOOST_TEST(!rests(one));
  BOOST_TEST(guess(one, 1'000, 1'023, standing::proven) == 1);
  BOOST_TEST(rests(one, standing::proven));
  now += 10min;
  BOOST_TEST(!rests(one));
  BOOST_TEST(guess(one, 64) == 1);
  BOOST_TEST(rests(one));
}

BOOST_AUTO_TEST_CASE(a_right_handshake_alone_proves_too_little) {
  BOOST_TEST(guess(one, 64, 0, standing::has_group) == 1);
  BOOST_TEST(rests(one, standing::has_group));
}

BOOST_AUTO_TEST_CASE(wrong_joins_rest_joins_alone) {
  BOOST_TEST(guess(one, 1'000, 0, standing::none, guess_kind::join) == 1);
  BOOST_TEST(rests(one, standing::none, guess_kind::join));
  BOOST_TEST(!rests(one));
  BOOST_TEST(guess(one, 63) == 0);
  BOOST_TEST(!rests(one));
  BOOST_TEST(guess(one, 1, 63) == 1);
  BOOST_TEST(rests(one));
}

BOOST_AUTO_TEST_CASE(guesses_that_are_far_apart_do_no_harm) {
  for (int i = 0; i < 20; ++i) {
    BOOST_TEST(guess(one, 60, 60u * static_cast<unsigned>(i)) == 0);
    now += 10min;
  }
  BOOST_TEST(!rests(one));
}

BOOST_AUTO_TEST_CASE(what_a_client_repeats_to_a_restarted_server_is_one_guess) {
  for (int i = 0; i < 10'000; ++i)
    for (std::uint32_t connection = 0; connection < 8; ++connection)
      BOOST_TEST(guess(one, 1, connection) == 0);
  BOOST_TEST(!rests(one));
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
    guess(next(), 1);
  BOOST_TEST(rests(one));
  BOOST_TEST(!rests(one, standing::has_group));
  // One of them is made up for every 146 ms.
  now += 146ms;
  BOOST_TEST(!rests(one));
  guess(next(), 1);
  BOOST_TEST(rests(one));
  now += 10min;
  BOOST_TEST(!rests(one));
}

BOOST_AUTO_TEST_CASE(an_ipv6_source_is_a_network) {
  std::array<std::uint8_t, 16> octets{0x20, 1, 0xd, 0xb8};
  for (std::uint32_t i = 0; i < 64; ++i) {
    octets[15] = static_cast<std::uint8_t>(i);
    guess(ip_address::v6(octets.data()), 1, i);
  }
  octets[14] = 9;
  BOOST_TEST(rests(ip_address::v6(octets.data())));
  octets[7] = 1;
  BOOST_TEST(!rests(ip_address::v6(octets.data())));
}

BOOST_AUTO_TEST_SUITE_END()
