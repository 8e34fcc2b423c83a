#include "system/service_manager.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#ifdef TONEL_SYSTEMD
#include "system/kernel.hpp"
#include "system/worker.hpp"

#include <systemd/sd-daemon.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#endif

namespace tonel::sys {

namespace {

class no_service_manager final : public service_manager {
public:
  void ready() noexcept override {}
  void reloading() noexcept override {}
  void stopping() noexcept override {}
  void status(std::string_view) noexcept override {}
  void alive() noexcept override {}
  protocol::duration watchdog_interval() const noexcept override { return {}; }
};

#ifdef TONEL_SYSTEMD

// How long the end of the process waits for a systemd that takes no notifications.
constexpr auto farewell_patience = std::chrono::milliseconds{100};
// The most notifications that wait for a systemd that takes none; later ones are of no use.
constexpr int most_unsaid = 16;

/// Sends notifications in order, on a thread of its own: if systemd is stuck, the socket's queue is
/// full, and sd_notify() blocks.
class systemd final : public service_manager {
public:
  explicit systemd(protocol::duration watchdog) noexcept : watchdog_(watchdog) {}
  ~systemd() override {
    if (!speaker_) return;
    auto said = std::make_shared<std::promise<void>>();
    auto all = said->get_future();
    speaker_->run([said] { said->set_value(); }, [] {});
    all.wait_for(farewell_patience);
  }
  void ready() noexcept override { say("READY=1"); }
  void reloading() noexcept override {
    // The time shows systemd (253 and later) which reload this belongs to.
    const auto now = real_kernel().clock(CLOCK_MONOTONIC) / 1'000;
    say("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now));
  }
  void stopping() noexcept override { say("STOPPING=1"); }
  void status(std::string_view line) noexcept override {
    // A newline would begin another assignment.
    say("STATUS=" + std::string{line.substr(0, line.find('\n'))});
  }
  void alive() noexcept override { say("WATCHDOG=1"); }
  protocol::duration watchdog_interval() const noexcept override { return watchdog_; }

private:
  void say(std::string text) {
    const std::lock_guard guard{lock_};
    // Made at the first notification, so that its thread inherits the blocked signals.
    if (!speaker_) speaker_.emplace([](const worker::closure&) {}, farewell_patience);
    if (unsaid_->fetch_add(1) >= most_unsaid) {
      unsaid_->fetch_sub(1);
      return;
    }
    speaker_->run(
        [text = std::move(text), unsaid = unsaid_] {
          ::sd_notify(0, text.c_str());
          unsaid->fetch_sub(1);
        },
        [] {});
  }

  protocol::duration watchdog_;
  std::mutex lock_;
  // Shared with the thread, which may outlive this object.
  std::shared_ptr<std::atomic<int>> unsaid_ = std::make_shared<std::atomic<int>>(0);
  std::optional<worker> speaker_;
};

#endif

} // namespace

std::unique_ptr<service_manager> find_service_manager() {
#ifdef TONEL_SYSTEMD
  if (std::getenv("NOTIFY_SOCKET") != nullptr) {
    std::uint64_t usec = 0;
    // Not positive also if the interval is for another process.
    const bool watched = ::sd_watchdog_enabled(0, &usec) > 0;
    return std::make_unique<systemd>(watched ? protocol::duration{std::chrono::microseconds{usec}}
                                             : protocol::duration{});
  }
#endif
  return std::make_unique<no_service_manager>();
}

bool stderr_is_journal() noexcept {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat file {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &file) != 0) return false;
  // A child with redirected stderr inherits the variable all the same, so compare.
  return std::to_string(file.st_dev) + ':' + std::to_string(file.st_ino) == stream;
}

} // namespace tonel::sys
