#include "system/worker.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

using namespace tonel::sys;
using namespace std::chrono_literals;

namespace {

/// Takes completions from the worker and runs them here.
class inbox {
public:
  void post(worker::closure c) {
    const std::lock_guard guard{lock_};
    queue_.push_back(std::move(c));
    changed_.notify_all();
  }
  /// False: nothing came in time.
  bool run_one() {
    std::unique_lock guard{lock_};
    if (!changed_.wait_for(guard, 10s, [this] { return !queue_.empty(); })) return false;
    auto c = std::move(queue_.front());
    queue_.pop_front();
    guard.unlock();
    c();
    return true;
  }

private:
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<worker::closure> queue_;
};

/// Something to wait for, on both threads.
class gate {
public:
  void open() {
    const std::lock_guard guard{lock_};
    open_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock guard{lock_};
    return changed_.wait_for(guard, 10s, [this] { return open_; });
  }

private:
  std::mutex lock_;
  std::condition_variable changed_;
  bool open_ = false;
};

} // namespace

BOOST_AUTO_TEST_SUITE(worker_test)

BOOST_AUTO_TEST_CASE(a_job_runs_elsewhere_and_its_completion_where_it_is_posted) {
  inbox in;
  worker w{[&](worker::closure c) { in.post(std::move(c)); }};
  std::thread::id ran_on;
  int result = 0;
  w.run([&] { return ran_on = std::this_thread::get_id(), 42; }, [&](int r) { result = r; });
  BOOST_TEST_REQUIRE(in.run_one());
  BOOST_TEST(result == 42);
  BOOST_TEST((ran_on != std::this_thread::get_id()));
}

BOOST_AUTO_TEST_CASE(jobs_run_in_order) {
  inbox in;
  worker w{[&](worker::closure c) { in.post(std::move(c)); }};
  std::vector<int> order;
  for (int i = 0; i < 10; ++i)
    w.run([i] { return i; }, [&](int r) { order.push_back(r); });
  for (int i = 0; i < 10; ++i)
    BOOST_TEST_REQUIRE(in.run_one());
  BOOST_TEST(order == (std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

BOOST_AUTO_TEST_CASE(a_job_without_result_completes_too) {
  inbox in;
  worker w{[&](worker::closure c) { in.post(std::move(c)); }};
  bool done = false;
  w.run([] {}, [&] { done = true; });
  BOOST_TEST_REQUIRE(in.run_one());
  BOOST_TEST(done);
}

BOOST_AUTO_TEST_CASE(a_result_that_only_moves_arrives) {
  inbox in;
  worker w{[&](worker::closure c) { in.post(std::move(c)); }};
  int got = 0;
  w.run([] { return std::make_unique<int>(5); }, [&](std::unique_ptr<int> p) { got = *p; });
  BOOST_TEST_REQUIRE(in.run_one());
  BOOST_TEST(got == 5);
}

BOOST_AUTO_TEST_CASE(the_end_drops_what_has_not_begun_and_waits_for_no_job_that_hangs) {
  auto begun = std::make_shared<gate>();
  auto release = std::make_shared<gate>();
  auto posted = std::make_shared<std::atomic<int>>(0);
  auto first = std::make_shared<int>(1);
  auto second = std::make_shared<int>(2);
  const std::weak_ptr<int> first_gone = first;
  const std::weak_ptr<int> second_gone = second;
  {
    worker w{[posted](const worker::closure&) { ++*posted; }, 1ms};
    w.run([begun, release, own = std::move(first)] { return begun->open(), release->wait(); },
          [](bool) {});
    BOOST_TEST_REQUIRE(begun->wait());
    w.run([own = std::move(second)] {}, [] {});
  }
  BOOST_TEST(second_gone.expired());
  release->open();
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (!first_gone.expired() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  BOOST_TEST(first_gone.expired());
  BOOST_TEST(*posted == 0);
}

BOOST_AUTO_TEST_SUITE_END()
