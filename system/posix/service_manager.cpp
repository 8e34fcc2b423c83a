#include "system/service_manager.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#ifdef TONEL_SYSTEMD
#include "system/kernel.hpp"

#include <systemd/sd-daemon.h>
#include <time.h>

#include <chrono>
#include <cstdint>
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

class systemd final : public service_manager {
public:
  explicit systemd(protocol::duration watchdog) noexcept : watchdog_(watchdog) {}
  void ready() noexcept override { say("READY=1"); }
  void reloading() noexcept override {
    // The time tells systemd (253 and later) which reload this answers.
    const auto now = real_kernel().clock(CLOCK_MONOTONIC) / 1'000;
    ::sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", static_cast<long long>(now));
  }
  void stopping() noexcept override { say("STOPPING=1"); }
  void status(std::string_view line) noexcept override {
    // A line break would begin another assignment.
    line = line.substr(0, line.find('\n'));
    ::sd_notifyf(0, "STATUS=%.*s", static_cast<int>(line.size()), line.data());
  }
  void alive() noexcept override { say("WATCHDOG=1"); }
  protocol::duration watchdog_interval() const noexcept override { return watchdog_; }

private:
  static void say(const char* text) noexcept { ::sd_notify(0, text); }
  protocol::duration watchdog_;
};

#endif

} // namespace

std::unique_ptr<service_manager> find_service_manager() {
#ifdef TONEL_SYSTEMD
  if (std::getenv("NOTIFY_SOCKET") != nullptr) {
    std::uint64_t usec = 0;
    // Not more than 0 also where the interval is meant for another process.
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
  // A child whose stderr was redirected inherits the variable all the same: compare.
  return std::to_string(file.st_dev) + ':' + std::to_string(file.st_ino) == stream;
}

} // namespace tonel::sys
