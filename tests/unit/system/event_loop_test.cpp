#include "system/event_loop.hpp"
#include "system/fake/fake_kernel.hpp"
#include "system/fake/virtual_time_kernel.hpp"
#include "system/kernel.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <thread>
#include <vector>

using namespace tonel;
using namespace tonel::sys;
using namespace std::chrono_literals;

namespace {

struct fake_loop {
  fake_kernel k;
  std::unique_ptr<event_loop> loop = std::move(*event_loop::create(k));
  std::array<ready_event, 8> ready;
  std::size_t wait(protocol::duration limit) {
    return loop->wait(ready.data(), ready.size(), limit);
  }
};

constexpr auto forever = protocol::duration{-1};

} // namespace

BOOST_AUTO_TEST_SUITE(event_loop_test)

BOOST_AUTO_TEST_CASE(each_call_that_creation_needs_may_fail) {
  for (const char* call : {"epoll_create1", "eventfd", "epoll_ctl"}) {
    fake_kernel k;
    k.fail(call, EMFILE);
    const auto loop = event_loop::create(k);
    BOOST_TEST_REQUIRE(!loop.has_value());
    BOOST_TEST(loop.error().number == EMFILE);
    BOOST_TEST(loop.error().operation == std::string{call});
    BOOST_TEST(k.open_descriptors() == 0u);
  }
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

BOOST_FIXTURE_TEST_CASE(time_spent_since_the_last_wait_is_not_waited_again, fake_loop) {
  const auto timer = loop->timers().create(1);
  loop->timers().arm(timer, loop->now() + 50ms);
  k.boottime += 40'000'000;
  wait(forever);
  BOOST_TEST(k.last_timeout <= 20'000'000);
}

BOOST_FIXTURE_TEST_CASE(without_timers_it_waits_for_ever, fake_loop) {
  wait(forever);
  BOOST_TEST(k.last_timeout == -1);
  wait(7ms);
  BOOST_TEST(k.last_timeout == 7'000'000);
}

BOOST_FIXTURE_TEST_CASE(a_wake_before_the_wait_makes_it_a_poll, fake_loop) {
  loop->wake();
  BOOST_TEST(k.calls("write") == 0u); // nobody sleeps: no system call
  wait(forever);
  BOOST_TEST(k.last_timeout == 0);
  wait(forever);
  BOOST_TEST(k.last_timeout == -1);
}

BOOST_FIXTURE_TEST_CASE(a_resume_from_suspend_is_told_once, fake_loop) {
  const auto resumed_after = [this](std::int64_t seconds, std::int64_t of_them_awake) {
    k.boottime += seconds * 1'000'000'000;
    k.monotonic += of_them_awake * 1'000'000'000;
    wait(0s);
    return loop->resumed();
  };
  BOOST_TEST(!resumed_after(0, 0));
  BOOST_TEST(!resumed_after(9, 0));
  BOOST_TEST(resumed_after(11, 0));
  BOOST_TEST(!loop->resumed());
  BOOST_TEST(!resumed_after(60, 60));
  BOOST_TEST(resumed_after(60, 40));
}

BOOST_FIXTURE_TEST_CASE(a_change_of_the_clock_ends_the_wait_and_is_no_event, fake_loop) {
  k.ready.push_back({{~std::uint64_t{0} - 1, EPOLLIN}});
  BOOST_TEST(wait(forever) == 0u);
  BOOST_TEST(k.calls("read") == 1u);
}

BOOST_AUTO_TEST_CASE(a_loop_without_a_clock_to_watch_works) {
  fake_kernel k;
  k.fail("timerfd_create", EINVAL);
  const auto loop = event_loop::create(k);
  BOOST_TEST_REQUIRE(loop.has_value());
  std::array<ready_event, 2> ready;
  BOOST_TEST((*loop)->wait(ready.data(), ready.size(), protocol::duration{5}) == 0u);
}

BOOST_AUTO_TEST_CASE(the_real_clock_descriptor_is_quiet) {
  BOOST_TEST(bool(descriptor{real_kernel(), real_kernel().clock_change_fd()}));
  const auto loop = std::move(*event_loop::create(real_kernel()));
  std::array<ready_event, 2> ready;
  const auto before = loop->now();
  loop->wait(ready.data(), ready.size(), 2ms);
  BOOST_TEST((loop->now() - before >= 2ms));
}

BOOST_FIXTURE_TEST_CASE(interest_in_nothing_is_not_even_interest_in_errors, fake_loop) {
  const auto watched = k.watched.size();
  BOOST_TEST(loop->watch(100, interest::readable, 5).has_value());
  BOOST_TEST(k.watched.at(100).flags == std::uint32_t{EPOLLIN});
  BOOST_TEST(loop->change(100, interest::none, 5).has_value());
  BOOST_TEST(k.watched.size() == watched);
  BOOST_TEST(loop->change(100, interest::writable, 6).has_value());
  BOOST_TEST(k.watched.at(100).token == 6u);
  BOOST_TEST(k.watched.at(100).flags == std::uint32_t{EPOLLOUT});
  loop->forget(100);
  BOOST_TEST(k.watched.size() == watched);
}

BOOST_FIXTURE_TEST_CASE(readiness_comes_with_its_token, fake_loop) {
  k.ready.push_back({{3, EPOLLIN}, {4, EPOLLOUT | EPOLLERR}, {5, EPOLLHUP}});
  BOOST_TEST_REQUIRE(wait(forever) == 3u);
  BOOST_TEST(ready[0].token == 3u);
  BOOST_TEST((ready[0].readable && !ready[0].writable && !ready[0].failed));
  BOOST_TEST((ready[1].writable && ready[1].failed));
  BOOST_TEST(ready[2].failed);
}

BOOST_FIXTURE_TEST_CASE(a_failed_watch_names_the_call, fake_loop) {
  k.fail("epoll_ctl", EPERM);
  const auto done = loop->watch(100, interest::readable, 5);
  BOOST_TEST_REQUIRE(!done.has_value());
  BOOST_TEST(done.error().to_string() == "epoll_ctl: Operation not permitted");
}

BOOST_AUTO_TEST_CASE(a_wake_from_another_thread_ends_a_real_wait) {
  const auto loop = std::move(*event_loop::create(real_kernel()));
  std::array<ready_event, 4> ready;
  for (int i = 0; i < 200; ++i) {
    std::thread other{[&] { loop->wake(); }};
    const auto before = loop->now();
    BOOST_TEST(loop->wait(ready.data(), ready.size(), 10s) == 0u);
    BOOST_TEST_REQUIRE((loop->now() - before < 5s));
    other.join();
  }
}

BOOST_AUTO_TEST_CASE(a_real_descriptor_and_a_real_timeout) {
  const auto loop = std::move(*event_loop::create(real_kernel()));
  const descriptor event{real_kernel(), real_kernel().eventfd()};
  BOOST_TEST_REQUIRE(loop->watch(event.get(), interest::readable, 42).has_value());
  std::array<ready_event, 4> ready;
  const auto before = loop->now();
  BOOST_TEST(loop->wait(ready.data(), ready.size(), 100us) == 0u);
  BOOST_TEST((loop->now() - before >= 100us));
  const std::uint64_t one = 1;
  BOOST_TEST(real_kernel().write(event.get(), &one, sizeof one) == 8);
  BOOST_TEST_REQUIRE(loop->wait(ready.data(), ready.size(), 10s) == 1u);
  BOOST_TEST(ready[0].token == 42u);
  BOOST_TEST(ready[0].readable);
}

BOOST_AUTO_TEST_CASE(an_hour_of_virtual_time_takes_no_time) {
  virtual_time_kernel k;
  const auto loop = std::move(*event_loop::create(k));
  const auto timer = loop->timers().create(1);
  const auto start = loop->now();
  loop->timers().arm(timer, start + 1h);
  std::array<ready_event, 4> ready;
  std::vector<std::uint64_t> expired;
  while (expired.empty()) {
    loop->wait(ready.data(), ready.size(), forever);
    loop->timers().expire(loop->now(), expired);
  }
  BOOST_TEST((loop->now() >= start + 1h));
  BOOST_TEST((loop->now() <= start + 1h + 10ms));
}

BOOST_AUTO_TEST_SUITE_END()
