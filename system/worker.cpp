#include "system/worker.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace tonel::sys {

/// Shared with the thread, which may outlive the worker.
struct worker::state {
  std::function<void(closure)> post;
  protocol::duration patience{};
  std::mutex lock;
  std::condition_variable changed;
  std::deque<std::function<closure()>> jobs;
  bool stopping = false;
  bool ended = false;
  std::thread thread;

  void loop() {
    std::unique_lock guard{lock};
    for (;;) {
      changed.wait(guard, [this] { return stopping || !jobs.empty(); });
      if (stopping) break;
      auto job = std::move(jobs.front());
      jobs.pop_front();
      guard.unlock();
      auto done = job();
      job = nullptr; // free what it owns
      guard.lock();
      // Under the lock: after the destructor the receiver of `post` may be gone.
      if (!stopping && post) post(std::move(done));
    }
    ended = true;
    changed.notify_all();
  }
};

worker::worker(std::function<void(closure)> post, protocol::duration patience)
    : state_(std::make_shared<state>()) {
  state_->post = std::move(post);
  state_->patience = patience;
  state_->thread = std::thread{[s = state_] { s->loop(); }};
}

worker::~worker() {
  std::deque<std::function<closure()>> dropped;
  bool ended = false;
  {
    std::unique_lock guard{state_->lock};
    state_->stopping = true;
    dropped.swap(state_->jobs);
    state_->changed.notify_all();
    ended = state_->changed.wait_for(guard, state_->patience, [this] { return state_->ended; });
  }
  if (ended)
    state_->thread.join();
  else
    state_->thread.detach();
}

void worker::submit(std::function<closure()> job) {
  const std::lock_guard guard{state_->lock};
  if (state_->stopping) return;
  state_->jobs.push_back(std::move(job));
  state_->changed.notify_all();
}

} // namespace tonel::sys
