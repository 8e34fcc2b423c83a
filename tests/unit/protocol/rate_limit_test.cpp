#include "protocol/rate_limit.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <set>

using namespace tonel::protocol;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(rate_limit_test)

BOOST_AUTO_TEST_CASE(so_many_a_second_are_let_through_and_again_in_the_next) {
  rate_limit limit{2};
  const time_point start{1h};
  BOOST_TEST(limit.take(start));
  BOOST_TEST(limit.take(start + 500ms));
  BOOST_TEST(!limit.take(start + 999ms));
  BOOST_TEST(limit.take(start + 1s));
}

BOOST_AUTO_TEST_CASE(nobody_can_count_a_random_budget) {
  random_rate_limit limit{100, 4'711};
  time_point now{1h};
  std::set<int> seen;
  int in_all = 0;
  for (int second = 0; second < 1'000; ++second, now += 1s) {
    int taken = 0;
    while (limit.take(now))
      ++taken;
    BOOST_TEST(!limit.take(now + 999ms));
    BOOST_REQUIRE((taken >= 50 && taken <= 150));
    seen.insert(taken);
    in_all += taken;
  }
  BOOST_TEST(seen.size() > 90u);
  BOOST_TEST((in_all > 97'000 && in_all < 103'000));
}

BOOST_AUTO_TEST_CASE(a_turn_alone_is_at_once) {
  turns t{200us};
  const time_point start{1h};
  BOOST_TEST((t.next(start) == start));
  BOOST_TEST((t.next(start + 1ms) == start + 1ms));
  BOOST_TEST((t.next(start + 1200us) == start + 1200us));
}

BOOST_AUTO_TEST_CASE(turns_asked_for_together_are_a_step_apart) {
  turns t{200us};
  const time_point start{1h};
  for (int i = 0; i < 5; ++i)
    BOOST_TEST((t.next(start) == start + i * 200us));
  BOOST_TEST((t.next(start + 300us) == start + 1ms));
}

BOOST_AUTO_TEST_SUITE_END()
