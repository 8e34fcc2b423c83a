#pragma once

#include "protocol/time.hpp"

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace tonel::sys {

/// A thread for calls that block (names, netfilter, files), so that no event loop blocks.
/// Shape:  jobs run one after the other, in order
/// Owns:   the thread. The destructor drops jobs that have not begun, and waits at most `patience`
///         for the running one, since a resolver may hang for long. So a job must own what it uses.
///         No completion is posted once the destructor has begun
/// Thread: run() any
class worker {
public:
  using closure = std::function<void()>;

  /// post: called on the worker's thread; passes a completion to the thread that it is for
  explicit worker(std::function<void(closure)> post,
                  protocol::duration patience = std::chrono::seconds{3});
  ~worker();
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  /// Runs `job` on the thread, then posts `done` with its result. Neither may throw.
  template <class Job, class Done> void run(Job job, Done done) {
    using value = std::invoke_result_t<Job&>;
    submit([job = std::move(job), done = std::move(done)]() mutable -> closure {
      if constexpr (std::is_void_v<value>) {
        job();
        return [done = std::move(done)]() mutable { done(); };
      } else {
        // Shared, since std::function needs copies and the result may have none.
        auto r = std::make_shared<value>(job());
        return [r, done = std::move(done)]() mutable { done(std::move(*r)); };
      }
    });
  }

private:
  struct state;
  void submit(std::function<closure()> job);
  std::shared_ptr<state> state_;
};

} // namespace tonel::sys
