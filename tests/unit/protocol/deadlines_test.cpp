#include "protocol/deadlines.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <optional>
#include <string>

using namespace tonel::protocol;
using namespace std::chrono_literals;

namespace {

enum class timer : std::uint8_t { ack, keepalive, probe, count };

const char* to_string(timer t) {
  switch (t) {
  case timer::ack: return "ack";
  case timer::keepalive: return "keepalive";
  default: return "probe";
  }
}

using timers = deadlines<timer>;

constexpr time_point start{7h};

constexpr timers two_set() {
  timers t;
  t.set(timer::keepalive, start + 20s);
  t.set(timer::ack, start + 1s);
  return t;
}

static_assert(sizeof(timers) == 3 * sizeof(time_point));
static_assert(timers{}.earliest() == timers::never);
static_assert(two_set().earliest() == start + 1s);
static_assert(two_set().earliest({timer::keepalive, timer::probe}) == start + 20s);
static_assert(!two_set().is_set(timer::probe));

} // namespace

BOOST_AUTO_TEST_SUITE(deadlines_test)

BOOST_AUTO_TEST_CASE(without_a_timer_there_is_nothing_to_arm) {
  timers t;
  BOOST_TEST(!t.next());
  BOOST_TEST(!t.due(time_point::max() - 1s));
  BOOST_TEST(to_string(t, start) == "none");
}

BOOST_AUTO_TEST_CASE(the_next_deadline_is_the_earliest_of_those_that_are_set) {
  auto t = two_set();
  BOOST_TEST((t.next() == start + 1s));
  t.clear(timer::ack);
  BOOST_TEST((t.next() == start + 20s));
  t.set(timer::probe, start + 30s);
  BOOST_TEST((t.next() == start + 20s));
  t.clear({timer::keepalive, timer::probe});
  BOOST_TEST(!t.next());
}

BOOST_AUTO_TEST_CASE(a_timer_is_due_at_its_time_and_not_before) {
  const auto t = two_set();
  BOOST_TEST(!t.due(timer::ack, start + 1s - 1ns));
  BOOST_TEST(t.due(timer::ack, start + 1s));
  BOOST_TEST(!t.due(timer::probe, start + 1h));
  BOOST_TEST(!t.due(start + 1s - 1ns));
  BOOST_TEST((t.due(start + 1s) == timer::ack));
  BOOST_TEST((t.due(start + 1h) == timer::ack)); // the first of both
}

BOOST_AUTO_TEST_CASE(what_is_taken_is_due_once) {
  auto t = two_set();
  BOOST_TEST(!t.take(timer::ack, start));
  BOOST_TEST(t.take(timer::ack, start + 2s));
  BOOST_TEST(!t.take(timer::ack, start + 2s));
  BOOST_TEST(!t.take(timer::ack, time_point::max()));
  BOOST_TEST((t.next() == start + 20s));
}

BOOST_AUTO_TEST_CASE(a_deadline_can_be_moved_forward_alone) {
  auto t = two_set();
  t.set_earlier(timer::ack, start + 3s);
  BOOST_TEST((t.at(timer::ack) == start + 1s));
  t.set_earlier(timer::ack, start);
  BOOST_TEST((t.at(timer::ack) == start));
  t.set_earlier(timer::probe, start + 3s); // was none
  BOOST_TEST((t.at(timer::probe) == start + 3s));
}

BOOST_AUTO_TEST_CASE(the_deadline_of_a_part_is_set_or_cleared_as_it_comes) {
  auto t = two_set();
  t.set(timer::ack, std::optional<time_point>{});
  BOOST_TEST(!t.is_set(timer::ack));
  t.set(timer::ack, std::optional{start + 5s});
  BOOST_TEST((t.at(timer::ack) == start + 5s));
}

BOOST_AUTO_TEST_CASE(it_can_be_printed_in_the_order_of_time) {
  auto t = two_set();
  BOOST_TEST(to_string(t, start - 2'240ms) == "ack in 3.2 s, keepalive in 22.2 s");
  t.set(timer::probe, start);
  BOOST_TEST(to_string(t, start) == "probe due, ack in 1.0 s, keepalive in 20.0 s");
}

BOOST_AUTO_TEST_SUITE_END()
