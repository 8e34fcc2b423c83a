#include "system/event_loop.hpp"

#include "system/kernel.hpp"
#include "system/posix/timed_loop.hpp"

#include <sys/epoll.h>
#include <time.h>

#include <cerrno>
#include <utility>
#include <vector>

namespace tonel::sys {

namespace {

constexpr std::uint64_t wake_token = ~std::uint64_t{0};
constexpr std::uint64_t clock_token = wake_token - 1;
constexpr std::size_t own_descriptors = 2;

std::uint32_t epoll_flags(interest what) noexcept {
  switch (what) {
  case interest::readable: return EPOLLIN;
  case interest::writable: return EPOLLOUT;
  case interest::none: break;
  }
  return 0;
}

class epoll_loop final : public timed_loop {
public:
  epoll_loop(kernel& k, descriptor epoll, descriptor waker, descriptor clock)
      : timed_loop(k, CLOCK_BOOTTIME, CLOCK_MONOTONIC), epoll_(std::move(epoll)),
        waker_(std::move(waker)), clock_(std::move(clock)) {}

  result<void> watch(int fd, interest what, std::uint64_t token) override {
    if (what == interest::none) return {};
    return control(EPOLL_CTL_ADD, fd, what, token);
  }

  result<void> change(int fd, interest what, std::uint64_t token) override {
    if (what == interest::none) {
      forget(fd);
      return {};
    }
    auto done = control(EPOLL_CTL_MOD, fd, what, token);
    if (!done && done.error().number == ENOENT) done = control(EPOLL_CTL_ADD, fd, what, token);
    return done;
  }

  void forget(int fd) noexcept override {
    kernel_.epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  }

  std::size_t wait(ready_event* out, std::size_t capacity, protocol::duration limit) override {
    const auto room = capacity + own_descriptors;
    if (events_.size() < room) events_.resize(room);
    const auto timeout = begin_wait(limit);
    const int n =
        kernel_.epoll_wait(epoll_.get(), events_.data(), static_cast<int>(room), timeout.count());
    end_wait();
    std::size_t filled = 0;
    for (int i = 0; i < n; ++i) {
      const epoll_event& e = events_[static_cast<std::size_t>(i)];
      if (e.data.u64 >= clock_token) {
        // The clock only had to end this wait: resumed() looks at the time itself.
        std::uint64_t count = 0;
        kernel_.read(e.data.u64 == wake_token ? waker_.get() : clock_.get(), &count, sizeof count);
        continue;
      }
      if (filled == capacity) break; // level-triggered: reported again by the next wait
      out[filled++] = {e.data.u64, (e.events & (EPOLLIN | EPOLLRDHUP)) != 0,
                       (e.events & EPOLLOUT) != 0, (e.events & (EPOLLERR | EPOLLHUP)) != 0};
    }
    return filled;
  }

  void wake() noexcept override {
    if (!took_sleeper()) return;
    const std::uint64_t one = 1;
    kernel_.write(waker_.get(), &one, sizeof one);
  }

private:
  result<void> control(int operation, int fd, interest what, std::uint64_t token) {
    epoll_event e{};
    e.events = epoll_flags(what);
    e.data.u64 = token;
    if (const int r = kernel_.epoll_ctl(epoll_.get(), operation, fd, &e); r < 0)
      return unexpected{os_error{-r, "epoll_ctl", {}}};
    return {};
  }

  descriptor epoll_;
  descriptor waker_;
  descriptor clock_; ///< ends the wait after suspend, in which epoll's timeout stands still
  std::vector<epoll_event> events_;
};

} // namespace

result<std::unique_ptr<event_loop>> event_loop::create(kernel& k) {
  descriptor epoll{k, k.epoll_create()};
  if (!epoll) return unexpected{os_error{-epoll.get(), "epoll_create1", {}}};
  descriptor waker{k, k.eventfd()};
  if (!waker) return unexpected{os_error{-waker.get(), "eventfd", {}}};
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.u64 = wake_token;
  if (const int r = k.epoll_ctl(epoll.get(), EPOLL_CTL_ADD, waker.get(), &e); r < 0)
    return unexpected{os_error{-r, "epoll_ctl", "eventfd"}};
  descriptor clock{k, k.clock_change_fd()};
  e.data.u64 = clock_token;
  // Without the clock a resume is noticed at the next wake-up.
  if (clock && k.epoll_ctl(epoll.get(), EPOLL_CTL_ADD, clock.get(), &e) < 0) clock.reset();
  return std::make_unique<epoll_loop>(k, std::move(epoll), std::move(waker), std::move(clock));
}

} // namespace tonel::sys
