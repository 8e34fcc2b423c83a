#include "system/timer_wheel.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

using namespace tonel;
using namespace tonel::sys;
using namespace std::chrono_literals;

namespace {

const protocol::time_point t0{std::chrono::hours{100}};

struct wheel_fixture {
  timer_wheel wheel{t0};
  std::vector<std::uint64_t> fired(protocol::time_point now) {
    std::vector<std::uint64_t> tokens;
    wheel.expire(now, tokens);
    return tokens;
  }
};

using tokens = std::vector<std::uint64_t>;

} // namespace

BOOST_FIXTURE_TEST_SUITE(timer_wheel_test, wheel_fixture)

BOOST_AUTO_TEST_CASE(nothing_armed_needs_no_wake_up) {
  const auto id = wheel.create(7);
  BOOST_TEST(!wheel.next());
  wheel.arm(id, t0 + 1s);
  BOOST_TEST(wheel.next().has_value());
  wheel.cancel(id);
  BOOST_TEST(!wheel.next());
  BOOST_TEST(wheel.armed_count() == 0u);
  BOOST_TEST(fired(t0 + 10s).empty());
}

BOOST_AUTO_TEST_CASE(a_timer_fires_once_at_its_tick_and_not_before) {
  const auto id = wheel.create(7);
  wheel.arm(id, t0 + 15ms);
  BOOST_TEST(fired(t0 + 19'999us).empty());
  BOOST_TEST(wheel.armed(id));
  BOOST_TEST(fired(t0 + 20ms) == tokens{7});
  BOOST_TEST(!wheel.armed(id));
  BOOST_TEST(fired(t0 + 40ms).empty());
}

BOOST_AUTO_TEST_CASE(arming_again_moves_the_deadline) {
  const auto id = wheel.create(7);
  wheel.arm(id, t0 + 1s);
  wheel.arm(id, t0 + 5s);
  BOOST_TEST(wheel.armed_count() == 1u);
  BOOST_TEST(fired(t0 + 2s).empty());
  wheel.arm(id, t0 + 3s);
  BOOST_TEST(fired(t0 + 3s) == tokens{7});
}

BOOST_AUTO_TEST_CASE(a_deadline_in_the_past_is_due_at_once) {
  const auto id = wheel.create(7);
  BOOST_TEST(fired(t0 + 1s).empty());
  wheel.arm(id, t0 - 5s);
  BOOST_TEST_REQUIRE(wheel.next().has_value());
  BOOST_TEST((*wheel.next() <= t0 + 1s));
  BOOST_TEST(fired(t0 + 1s) == tokens{7});
}

BOOST_AUTO_TEST_CASE(the_farthest_deadline_does_not_overflow) {
  const auto id = wheel.create(7);
  wheel.arm(id, protocol::time_point::max());
  BOOST_TEST(wheel.next().has_value());
  BOOST_TEST(fired(t0 + std::chrono::hours{24 * 365 * 50}).empty());
  BOOST_TEST(wheel.armed(id));
}

BOOST_AUTO_TEST_CASE(a_destroyed_timer_gives_its_place_to_the_next) {
  const auto a = wheel.create(1);
  wheel.arm(a, t0 + 1s);
  wheel.destroy(a);
  const auto b = wheel.create(2);
  BOOST_TEST(b == a);
  BOOST_TEST(!wheel.armed(b));
  wheel.arm(b, t0 + 2s);
  BOOST_TEST(fired(t0 + 9s) == tokens{2});
}

BOOST_AUTO_TEST_CASE(a_long_jump_fires_all_in_order_of_tick) {
  for (std::uint64_t i = 0; i < 200; ++i)
    wheel.arm(wheel.create(i), t0 + std::chrono::milliseconds{(i * 7919) % 200 * 1000});
  const auto all = fired(t0 + 1h);
  BOOST_TEST_REQUIRE(all.size() == 200u);
  for (std::size_t i = 0; i < all.size(); ++i)
    BOOST_TEST(all[i] * 7919 % 200 == i);
}

// Against a sorted list: what fires when, and that next() never lets a deadline pass.
BOOST_AUTO_TEST_CASE(it_behaves_like_a_sorted_list) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random{seed};
    timer_wheel w{t0};
    auto now = t0;
    std::map<std::uint64_t, protocol::time_point> model; // token -> deadline
    std::vector<timer_wheel::timer_id> ids;
    for (std::uint64_t i = 0; i < 50; ++i)
      ids.push_back(w.create(i));
    const auto span = [&] { // from nothing to days, each magnitude alike
      return protocol::duration{static_cast<std::int64_t>(random() >> (16 + random() % 40))};
    };
    for (int step = 0; step < 2'000; ++step) {
      const auto i = random() % ids.size();
      if (random() % 4 == 0) {
        w.cancel(ids[i]);
        model.erase(i);
      } else if (random() % 2 == 0) {
        const auto at = now + span() - 20ms;
        w.arm(ids[i], at);
        model[i] = at;
      } else {
        const auto next = w.next();
        BOOST_TEST_REQUIRE(next.has_value() == !model.empty());
        if (next) {
          const auto first =
              std::min_element(model.begin(), model.end(),
                               [](const auto& a, const auto& b) { return a.second < b.second; });
          BOOST_TEST_REQUIRE((*next <= std::max(first->second, now) + timer_wheel::tick));
        }
        now = next && random() % 2 == 0 ? std::max(now, *next) : now + span();
        std::vector<std::uint64_t> expired;
        w.expire(now, expired);
        for (const auto token : expired) {
          BOOST_TEST_REQUIRE((model.at(token) <= now)); // never early
          model.erase(token);
        }
        for (const auto& [token, at] : model)
          BOOST_TEST_REQUIRE((at > now - timer_wheel::tick)); // none is late
      }
      BOOST_TEST_REQUIRE(w.armed_count() == model.size());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
