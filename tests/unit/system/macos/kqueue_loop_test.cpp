#include "system/event_loop.hpp"
#include "tests/unit/system/macos/fake_darwin.hpp"

#include <boost/test/unit_test.hpp>

#include <array>

using namespace tonel;
using namespace tonel::sys;
using namespace std::chrono_literals;
using darwin::queue_event;

namespace {

struct fake_loop {
  fake_darwin k;
  std::unique_ptr<event_loop> loop = std::move(*event_loop::create(k));
  std::array<ready_event, 4> ready;
  std::size_t wait(protocol::duration limit) {
    return loop->wait(ready.data(), ready.size(), limit);
  }
};

constexpr auto forever = protocol::duration{-1};

queue_event event(std::int16_t filter, std::uint64_t token, std::uint16_t flags = 0,
                  std::uint32_t filter_flags = 0) {
  queue_event e;
  e.ident = 5;
  e.filter = filter;
  e.flags = flags;
  e.filter_flags = filter_flags;
  e.token = token;
  return e;
}

} // namespace

BOOST_AUTO_TEST_SUITE(kqueue_loop_test)

BOOST_AUTO_TEST_CASE(each_call_that_creation_needs_may_fail) {
  for (const char* call : {"kqueue", "kevent"}) {
    fake_darwin k;
    k.errors[call] = EMFILE;
    const auto loop = event_loop::create(k);
    BOOST_TEST_REQUIRE(!loop.has_value());
    BOOST_TEST(loop.error().number == EMFILE);
    BOOST_TEST(loop.error().operation == std::string{call});
    BOOST_TEST(k.open_descriptors.empty());
  }
}

BOOST_FIXTURE_TEST_CASE(an_interest_is_one_filter, fake_loop) {
  k.changes.clear();
  BOOST_TEST(loop->watch(5, interest::none, 1).has_value());
  BOOST_TEST(k.changes.empty());
  BOOST_TEST(loop->watch(5, interest::readable, 77).has_value());
  BOOST_TEST_REQUIRE(k.changes.size() == 1u);
  BOOST_TEST(k.changes[0][0].ident == 5u);
  BOOST_TEST(k.changes[0][0].filter == darwin::evfilt_read);
  BOOST_TEST(k.changes[0][0].flags == darwin::ev_add);
  BOOST_TEST(k.changes[0][0].token == 77u);

  k.changes.clear();
  BOOST_TEST(loop->change(5, interest::writable, 78).has_value());
  BOOST_TEST_REQUIRE(k.changes.size() == 2u);
  BOOST_TEST(k.changes[0][0].filter == darwin::evfilt_read);
  BOOST_TEST(k.changes[0][0].flags == darwin::ev_delete);
  BOOST_TEST(k.changes[1][0].filter == darwin::evfilt_write);
  BOOST_TEST(k.changes[1][0].flags == darwin::ev_add);

  k.changes.clear();
  BOOST_TEST(loop->change(5, interest::none, 78).has_value());
  loop->forget(5);
  BOOST_TEST(k.changes.size() == 4u);
  for (const auto& each : k.changes)
    BOOST_TEST(each[0].flags == darwin::ev_delete);
}

BOOST_FIXTURE_TEST_CASE(a_descriptor_that_cannot_be_watched_is_an_error, fake_loop) {
  k.errors["kevent"] = EBADF;
  BOOST_TEST(loop->watch(5, interest::readable, 1).error().number == EBADF);
}

BOOST_FIXTURE_TEST_CASE(events_say_what_a_descriptor_is_ready_for, fake_loop) {
  k.events.push_back({event(darwin::evfilt_read, 1), event(darwin::evfilt_write, 2),
                      event(darwin::evfilt_read, 3, darwin::ev_eof),
                      event(darwin::evfilt_read, 4, darwin::ev_eof, ECONNRESET)});
  BOOST_TEST_REQUIRE(wait(forever) == 4u);
  BOOST_TEST((ready[0].readable && !ready[0].writable && !ready[0].failed));
  BOOST_TEST((!ready[1].readable && ready[1].writable && !ready[1].failed));
  BOOST_TEST((ready[2].readable && !ready[2].failed));
  BOOST_TEST((ready[3].readable && ready[3].failed));
  BOOST_TEST(ready[3].token == 4u);
  k.events.push_back({event(darwin::evfilt_write, 1, darwin::ev_eof)});
  BOOST_TEST_REQUIRE(wait(forever) == 1u);
  BOOST_TEST((!ready[0].writable && ready[0].failed));
}

BOOST_FIXTURE_TEST_CASE(more_than_fits_is_left_for_the_next_wait, fake_loop) {
  k.events.push_back(std::vector<queue_event>(6, event(darwin::evfilt_read, 1)));
  BOOST_TEST(wait(forever) == 4u);
}

BOOST_FIXTURE_TEST_CASE(its_own_events_are_nobodys, fake_loop) {
  k.events.push_back({event(darwin::evfilt_user, ~std::uint64_t{0}),
                      event(darwin::evfilt_timer, ~std::uint64_t{0} - 1),
                      event(darwin::evfilt_read, 9)});
  BOOST_TEST_REQUIRE(wait(forever) == 1u);
  BOOST_TEST(ready[0].token == 9u);
}

BOOST_FIXTURE_TEST_CASE(it_waits_for_the_next_timer_and_no_longer, fake_loop) {
  const auto timer = loop->timers().create(1);
  loop->timers().arm(timer, loop->now() + 3s);
  std::vector<std::uint64_t> expired;
  const auto start = loop->now();
  while (expired.empty()) {
    BOOST_TEST(wait(forever) == 0u);
    loop->timers().expire(loop->now(), expired);
  }
  BOOST_TEST((loop->now() >= start + 3s));
  BOOST_TEST((loop->now() <= start + 3s + 20ms));
}

BOOST_FIXTURE_TEST_CASE(a_timeout_is_a_timer_that_goes_on_in_sleep, fake_loop) {
  k.changes.clear();
  wait(7ms);
  BOOST_TEST_REQUIRE(k.changes.at(0).size() == 1u);
  const auto& timer = k.changes[0][0];
  BOOST_TEST(timer.filter == darwin::evfilt_timer);
  BOOST_TEST(timer.data == 7'000'000);
  BOOST_TEST((timer.filter_flags & darwin::note_continuous) != 0u);
  BOOST_TEST((timer.filter_flags & darwin::note_nseconds) != 0u);
  wait(0s);
  wait(forever);
  BOOST_TEST(k.changes.at(1).empty());
  BOOST_TEST(k.changes.at(2).empty());
  BOOST_TEST(k.timeouts == (std::vector<std::int64_t>{7'000'000, 0, -1}));
}

BOOST_FIXTURE_TEST_CASE(a_wake_before_the_wait_makes_it_a_poll, fake_loop) {
  k.changes.clear();
  loop->wake();
  BOOST_TEST(k.changes.empty()); // nobody sleeps: no system call
  wait(forever);
  wait(forever);
  BOOST_TEST(k.timeouts == (std::vector<std::int64_t>{0, -1}));
}

BOOST_FIXTURE_TEST_CASE(a_resume_from_suspend_is_told_once, fake_loop) {
  const auto resumed_after = [this](std::int64_t seconds, std::int64_t of_them_awake) {
    k.boot += seconds * 1'000'000'000;
    k.awake += of_them_awake * 1'000'000'000;
    wait(0s);
    return loop->resumed();
  };
  BOOST_TEST(!resumed_after(9, 0));
  BOOST_TEST(resumed_after(11, 0));
  BOOST_TEST(!loop->resumed());
  BOOST_TEST(!resumed_after(60, 60));
  BOOST_TEST(resumed_after(60, 40));
}

BOOST_AUTO_TEST_SUITE_END()
