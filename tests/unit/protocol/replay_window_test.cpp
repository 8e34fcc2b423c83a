#include "protocol/sealed/replay_window.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>
#include <set>

using tonel::protocol::sealed::replay_window;
using verdict = replay_window::verdict;

BOOST_AUTO_TEST_SUITE(replay_window_test)

BOOST_AUTO_TEST_CASE(a_record_is_fresh_once) {
  replay_window window;
  for (const std::uint64_t position : {0u, 22u, 570u, 44u, 592u}) {
    BOOST_TEST((window.look(position) == verdict::fresh));
    BOOST_TEST((window.take(position) == verdict::fresh));
    BOOST_TEST((window.look(position) == verdict::seen));
    BOOST_TEST((window.take(position) == verdict::seen));
  }
}

BOOST_AUTO_TEST_CASE(the_smallest_records_have_a_place_of_their_own) {
  replay_window window;
  for (std::uint64_t position = 3; position < 200'000; position += 22)
    BOOST_TEST_REQUIRE((window.take(position) == verdict::fresh));
}

BOOST_AUTO_TEST_CASE(looking_changes_nothing) {
  replay_window window;
  static_cast<void>(window.take(100'000));
  BOOST_TEST((window.look(1'000'000'000'000) == verdict::fresh));
  BOOST_TEST((window.look(90'000) == verdict::fresh));
  BOOST_TEST((window.look(100'000) == verdict::seen));
  BOOST_TEST(window.reach() == replay_window::first_reach);
}

BOOST_AUTO_TEST_CASE(it_reaches_further_back_before_records_are_too_late) {
  replay_window window;
  const std::uint64_t start = std::uint64_t{1} << 33;
  static_cast<void>(window.take(start));
  BOOST_TEST((window.take(start - 20'000) == verdict::fresh));
  BOOST_TEST(window.reach() == replay_window::first_reach);
  BOOST_TEST((window.take(start - 40'000) == verdict::fresh));
  BOOST_TEST(window.reach() == 2 * replay_window::first_reach);
  BOOST_TEST((window.take(start - 20'000) == verdict::seen));
  BOOST_TEST((window.take(start - 40'000) == verdict::seen));
}

BOOST_AUTO_TEST_CASE(what_it_did_not_reach_is_never_taken_for_fresh) {
  replay_window window;
  const std::uint64_t start = std::uint64_t{1} << 33;
  static_cast<void>(window.take(start - 1'000'000));
  static_cast<void>(window.take(start));
  BOOST_TEST((window.take(start - 1'000'000) == verdict::old));
  BOOST_TEST(window.reach() == 2u << 20);
  BOOST_TEST((window.take(start - 1'000'000) == verdict::seen));
  BOOST_TEST((window.look(start - 900'000) == verdict::seen));
  // From here on it is known.
  BOOST_TEST((window.take(start + 1'500'000) == verdict::fresh));
  BOOST_TEST((window.take(start + 500'000) == verdict::fresh));
  BOOST_TEST((window.take(start + 500'000) == verdict::seen));
}

BOOST_AUTO_TEST_CASE(it_never_reaches_back_further_than_its_bound) {
  replay_window window;
  const std::uint64_t start = std::uint64_t{1} << 33;
  static_cast<void>(window.take(start));
  for (int i = 0; i < 100; ++i)
    static_cast<void>(window.take(start - replay_window::most_reach + 100));
  BOOST_TEST(window.reach() == replay_window::most_reach);
  BOOST_TEST((window.take(start - replay_window::most_reach) == verdict::old));
  BOOST_TEST((window.look(start - replay_window::most_reach) == verdict::old));
}

BOOST_AUTO_TEST_CASE(a_jump_ahead_forgets_what_lies_behind_it) {
  replay_window window;
  static_cast<void>(window.take(1'000));
  static_cast<void>(window.take(std::uint64_t{1} << 40));
  BOOST_TEST((window.look(1'000) == verdict::old));
  BOOST_TEST((window.take((std::uint64_t{1} << 40) - 30'000) == verdict::fresh));
}

BOOST_AUTO_TEST_CASE(nothing_is_fresh_twice_in_any_order) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random{seed};
    replay_window window;
    std::set<std::uint64_t> taken;
    std::uint64_t end = (std::uint64_t{1} << 32) - 3'000'000; // and across the wrap of SEQ
    std::uint64_t highest = 0;
    std::uint64_t known_from = 0;
    const std::uint64_t depth = 2'000u << (seed % 12);
    for (int i = 0; i < 8'000; ++i) {
      end += 22 * (1 + random() % 60);
      const auto back = random() % 4 == 0 ? random() % depth : 0;
      const auto position = (end - back) / 22 * 22;
      highest = std::max(highest, position);
      const auto reach = window.reach();
      const bool fresh = window.take(position) == verdict::fresh;
      const bool first = taken.insert(position).second;
      BOOST_TEST_REQUIRE((!fresh || first), "seed " << seed << ", position " << position);
      // Nothing else is refused than what it does not reach, or has not reached before it grew.
      if (first && position >= known_from + 16 && highest - position + 16 < reach)
        BOOST_TEST_REQUIRE(fresh, "seed " << seed << ", position " << position);
      if (window.reach() != reach) known_from = std::max(known_from, highest - reach);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
