#include "actors/runtime/coalescing.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <vector>

using namespace tonel;
using namespace std::chrono_literals;
using actors::coalescing;

namespace {

/// A reader on a made-up processor, in microseconds: a pass costs 20, and 0.5 a datagram.
struct reader {
  coalescing decide;
  double now = 0;
  std::size_t next = 0;
  std::size_t passes = 0;
  std::size_t rests = 0;
  double longest_delay = 0;

  reader() { decide.set_most(150us); }

  std::size_t take(const std::vector<double>& arrivals) {
    std::size_t found = 0;
    for (; next < arrivals.size() && arrivals[next] <= now; ++next, ++found)
      longest_delay = std::max(longest_delay, now - arrivals[next]);
    return found;
  }

  void read(const std::vector<double>& arrivals) {
    while (next < arrivals.size()) {
      now = std::max(now, arrivals[next]) + 2;
      auto found = take(arrivals);
      while (found > 0) {
        ++passes;
        now += 20 + 0.5 * static_cast<double>(found);
        const auto rest = decide.after_pass(found);
        if (rest == 0us) break;
        ++rests;
        now += std::chrono::duration<double, std::micro>{rest}.count();
        found = take(arrivals);
        if (found == 0) decide.rested_in_vain();
      }
    }
  }
};

/// `bursts` of `size` datagrams that are `apart`, one burst every `period`.
std::vector<double> bursts_of(std::size_t size, double apart, double period, std::size_t bursts,
                              double start = 0) {
  std::vector<double> at;
  for (std::size_t b = 0; b < bursts; ++b)
    for (std::size_t i = 0; i < size; ++i)
      at.push_back(start + static_cast<double>(b) * period + static_cast<double>(i) * apart);
  return at;
}

} // namespace

BOOST_AUTO_TEST_SUITE(coalescing_test)

BOOST_AUTO_TEST_CASE(a_steady_flow_is_read_in_rests) {
  const auto arrivals = bursts_of(1, 0, 12.5, 80'000);
  reader r;
  r.read(arrivals);
  // Without: one pass every 21 us. 150 us of rest and 26 of work find 14.
  BOOST_TEST(r.passes < arrivals.size() / 12);
  BOOST_TEST(r.longest_delay < 200);
}

BOOST_AUTO_TEST_CASE(bursts_that_come_apart_are_not_waited_for) {
  // A burst is there before the reader is, and the next one comes after a rest would be over.
  reader r;
  r.read(bursts_of(16, 0.1, 200, 10'000));
  BOOST_TEST(r.rests < r.passes / 20);
}

BOOST_AUTO_TEST_CASE(a_burst_that_takes_longer_than_a_pass_is_read_in_one) {
  reader r;
  r.read(bursts_of(64, 2, 1'000, 5'000));
  // Two datagrams, a rest, the other 62; without rests it is six passes.
  BOOST_TEST(r.passes < 5'000 * 2.3);
  BOOST_TEST(r.rests < 5'000 * 1.2); // none behind the burst
}

BOOST_AUTO_TEST_CASE(a_lone_datagram_is_never_delayed) {
  reader r;
  r.read(bursts_of(1, 0, 12.5, 10'000));
  const auto rests = r.rests;
  r.now = 1e9;
  r.longest_delay = 0;
  r.next = 0;
  r.read(bursts_of(1, 0, 90, 1'000, 1e9)); // an echo's round trips
  BOOST_TEST(r.rests <= rests + 1);
  BOOST_TEST(r.longest_delay < 150); // the first may still come into a rest of the flow before
}

BOOST_AUTO_TEST_CASE(what_has_changed_is_noticed_within_a_hundred_passes) {
  reader r;
  r.read(bursts_of(16, 0.1, 200, 10'000));
  const auto before = r.rests;
  r.next = 0;
  r.read(bursts_of(2, 0, 25, 2'000, r.now + 200));
  // 50 ms at 280 rests a 50 ms; those of the first hundred passes are missing.
  BOOST_TEST(r.rests - before > 200u);
}

BOOST_AUTO_TEST_CASE(switched_off_it_never_rests) {
  reader r;
  r.decide.set_most(0us);
  r.read(bursts_of(1, 0, 12.5, 1'000));
  BOOST_TEST(r.rests == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
