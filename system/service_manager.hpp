#pragma once

#include "protocol/time.hpp"

#include <memory>
#include <string_view>

namespace tonel::sys {

/// The service manager that started this process: systemd, by its notification socket. Without one
/// all calls do nothing, and failures are ignored, since the process could not mend them.
/// Thread: any
/// Source: man 3 sd_notify, man 5 systemd.service (Type=notify, WatchdogSec=)
class service_manager {
public:
  virtual ~service_manager() = default;

  /// The process has started, or has finished a reload, even one that failed.
  virtual void ready() noexcept = 0;
  /// The configuration is being read again; ready() has to follow.
  virtual void reloading() noexcept = 0;
  /// The process begins to end.
  virtual void stopping() noexcept = 0;
  /// Sets the status line, which `systemctl status` shows.
  virtual void status(std::string_view line) noexcept = 0;
  /// Feeds the watchdog.
  virtual void alive() noexcept = 0;
  /// The process counts as stuck if alive() was not called for this time; zero: it is not watched.
  virtual protocol::duration watchdog_interval() const noexcept = 0;
};

/// The service manager of this process: systemd, by the environment, else one that does nothing.
/// Call it before other threads exist, since it reads the environment.
std::unique_ptr<service_manager> find_service_manager();

/// Whether stderr is a connection to systemd's journal, which adds the time of each line itself and
/// takes the priority from a prefix.
/// Source: man 5 systemd.exec, $JOURNAL_STREAM; man 3 sd-daemon
bool stderr_is_journal() noexcept;

} // namespace tonel::sys
