#pragma once

#include "protocol/time.hpp"

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace tonel::sys {

/// One thread for calls that block (name resolution, netfilter, files), so that no event loop does.
/// Shape:  jobs run one after the other, in the order they were given
/// Owns:   the thread. The destructor drops jobs that have not begun and waits at most `patience` for
///         the one that has: a resolver may hang for longer than anyone wants to wait for an exit. A
///         job must therefore own what it uses. No completion is posted once it has begun.
/// Thread: run() from any
class worker {
public:
  using closure = std::function<void()>;

  /// post hands a completion to the thread that wants it; it is called on the worker's thread.
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
        // Shared, since a std::function is copied and the result may not be.
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
