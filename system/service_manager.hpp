#pragma once

#include "protocol/time.hpp"

#include <memory>
#include <string_view>

namespace tonel::sys {

/// Whoever started this process and wants to know how it is: systemd, by its notification socket.
/// Every call says one thing; where nobody listens it does nothing, and a failure has no consequence
/// that the process could mend.
/// Thread: any
/// Source: man 3 sd_notify, man 5 systemd.service (Type=notify, WatchdogSec=)
class service_manager {
public:
  virtual ~service_manager() = default;

  /// Started, or done with reloading (whether that worked or not: the service runs).
  virtual void ready() noexcept = 0;
  /// The configuration is being read anew; ready() is to follow.
  virtual void reloading() noexcept = 0;
  /// Winding down.
  virtual void stopping() noexcept = 0;
  /// One line for people, shown by `systemctl status`.
  virtual void status(std::string_view line) noexcept = 0;
  /// Feeds the watchdog.
  virtual void alive() noexcept = 0;
  /// The process is taken for stuck when alive() was not called for so long; zero: nobody watches.
  virtual protocol::duration watchdog_interval() const noexcept = 0;
};

/// That of this process: systemd where it says so in the environment, else one that does nothing.
/// To be called before other threads exist, since it reads the environment.
std::unique_ptr<service_manager> find_service_manager();

/// Whether stderr goes straight into systemd's journal, which then knows each line's time itself and
/// takes its priority from a prefix.
/// Source: man 5 systemd.exec, $JOURNAL_STREAM; man 3 sd-daemon
bool stderr_is_journal() noexcept;

} // namespace tonel::sys
