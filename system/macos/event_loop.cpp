#include "system/event_loop.hpp"

#include "system/kernel.hpp"
#include "system/macos/abi.hpp"
#include "system/posix/timed_loop.hpp"

#include <array>
#include <cerrno>
#include <utility>
#include <vector>

namespace tonel::sys {

namespace {

using darwin::queue_event;

constexpr std::uint64_t wake_token = ~std::uint64_t{0};
constexpr std::uint64_t timer_token = wake_token - 1;
constexpr std::size_t own_events = 2;

std::int16_t filter_of(interest what) noexcept {
  return what == interest::writable ? darwin::evfilt_write : darwin::evfilt_read;
}

ready_event as_ready(const queue_event& e) noexcept {
  const bool ended = (e.flags & darwin::ev_eof) != 0;
  ready_event out;
  out.token = e.token;
  // The end of a stream is something to be read; a number beside it is the socket's error.
  out.readable = e.filter == darwin::evfilt_read;
  out.writable = e.filter == darwin::evfilt_write && !ended;
  out.failed = (e.flags & darwin::ev_error) != 0 ||
               (ended && (e.filter_flags != 0 || e.filter == darwin::evfilt_write));
  return out;
}

class kqueue_loop final : public timed_loop {
public:
  kqueue_loop(kernel& k, descriptor queue)
      : timed_loop(k, darwin::boot_clock, darwin::awake_clock), queue_(std::move(queue)) {}

  result<void> watch(int fd, interest what, std::uint64_t token) override {
    if (what == interest::none) return {};
    queue_event e;
    e.ident = static_cast<std::uint64_t>(fd);
    e.filter = filter_of(what);
    e.flags = darwin::ev_add;
    e.token = token;
    if (const int r = kernel_.kevent(queue_.get(), &e, 1, nullptr, 0, 0); r < 0)
      return unexpected{os_error{-r, "kevent", {}}};
    return {};
  }

  result<void> change(int fd, interest what, std::uint64_t token) override {
    for (const auto other : {interest::readable, interest::writable})
      if (other != what) remove(fd, other);
    return watch(fd, what, token);
  }

  void forget(int fd) noexcept override {
    remove(fd, interest::readable);
    remove(fd, interest::writable);
  }

  std::size_t wait(ready_event* out, std::size_t capacity, protocol::duration limit) override {
    const auto room = capacity + own_events;
    if (events_.size() < room) events_.resize(room);
    const auto timeout = begin_wait(limit);
    const int n = wait_for(timeout, static_cast<int>(room));
    end_wait();
    std::size_t filled = 0;
    for (int i = 0; i < n; ++i) {
      const auto& e = events_[static_cast<std::size_t>(i)];
      if (e.token >= timer_token) continue; // have done what they are for
      if (filled == capacity) break;        // level-triggered: it comes again
      out[filled++] = as_ready(e);
    }
    return filled;
  }

  void wake() noexcept override {
    if (!took_sleeper()) return;
    auto e = waker();
    e.flags = 0;
    e.filter_flags = darwin::note_trigger;
    kernel_.kevent(queue_.get(), &e, 1, nullptr, 0, 0);
  }

  /// What wake() triggers; cleared by being read.
  static queue_event waker() noexcept {
    queue_event e;
    e.filter = darwin::evfilt_user;
    e.flags = darwin::ev_add | darwin::ev_clear;
    e.token = wake_token;
    return e;
  }

private:
  /// A timeout of kevent() stands still while the machine sleeps, and may come late to save power.
  /// The timer does neither; it is made in the same call, and goes with the next wait's or by firing.
  int wait_for(protocol::duration timeout, int room) noexcept {
    queue_event timer;
    timer.filter = darwin::evfilt_timer;
    timer.flags = darwin::ev_add | darwin::ev_oneshot;
    timer.filter_flags = darwin::note_nseconds | darwin::note_critical | darwin::note_continuous;
    timer.data = timeout.count();
    timer.token = timer_token;
    const int changes = timeout > protocol::duration::zero() ? 1 : 0;
    return kernel_.kevent(queue_.get(), &timer, changes, events_.data(), room, timeout.count());
  }

  void remove(int fd, interest what) noexcept {
    queue_event e;
    e.ident = static_cast<std::uint64_t>(fd);
    e.filter = filter_of(what);
    e.flags = darwin::ev_delete;
    // ENOENT: it was not watched for this.
    kernel_.kevent(queue_.get(), &e, 1, nullptr, 0, 0);
  }

  descriptor queue_;
  std::vector<queue_event> events_;
};

} // namespace

result<std::unique_ptr<event_loop>> event_loop::create(kernel& k) {
  descriptor queue{k, k.kqueue()};
  if (!queue) return unexpected{os_error{-queue.get(), "kqueue", {}}};
  const auto waker = kqueue_loop::waker();
  if (const int r = k.kevent(queue.get(), &waker, 1, nullptr, 0, 0); r < 0)
    return unexpected{os_error{-r, "kevent", "EVFILT_USER"}};
  return std::make_unique<kqueue_loop>(k, std::move(queue));
}

} // namespace tonel::sys
