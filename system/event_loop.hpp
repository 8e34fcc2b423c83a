#pragma once

#include "protocol/time.hpp"
#include "system/os_error.hpp"
#include "system/timer_wheel.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace tonel::sys {

class kernel;

/// The readiness to watch a descriptor for.
enum class interest : std::uint8_t { none = 0, readable = 1, writable = 2 };

/// A descriptor that is ready.
struct ready_event {
  std::uint64_t token = 0; ///< as given to watch()
  bool readable = false;
  bool writable = false;
  bool failed = false; ///< EPOLLERR or EPOLLHUP
};

/// Waits for descriptors, timers and other threads; dispatches nothing itself.
/// Shape:  level-triggered; a descriptor with interest::none is not watched at all, not even for
///         errors (a pending error would end every wait). The tokens ~0 and ~0 - 1 are reserved
/// Units:  CLOCK_BOOTTIME, read when a wait() ends
/// Thread: one; wake() any
class event_loop {
public:
  /// Makes the event loop of this operating system.
  /// Errors: no descriptor; end the process
  static result<std::unique_ptr<event_loop>> create(kernel& k);
  virtual ~event_loop() = default;

  /// Errors: those of epoll_ctl; the descriptor cannot be used
  virtual result<void> watch(int fd, interest what, std::uint64_t token) = 0;
  /// Changes the interest in a watched descriptor.
  /// Errors: as for watch()
  virtual result<void> change(int fd, interest what, std::uint64_t token) = 0;
  virtual void forget(int fd) noexcept = 0;

  /// Waits until a descriptor is ready, the next timer is due, wake() is called, or `limit` is over
  /// (negative: no limit). Gives the number of entries filled in `out`. The caller then takes
  /// expired timers from timers().
  virtual std::size_t wait(ready_event* out, std::size_t capacity, protocol::duration limit) = 0;
  /// Ends the present wait(), or the next one at once. Thread: any
  virtual void wake() noexcept = 0;

  /// Sleeps on purpose (less than 1 ms), so that packets that arrive meanwhile are read together.
  virtual void rest(protocol::duration time) noexcept = 0;

  /// The time of the last wait().
  virtual protocol::time_point now() const noexcept = 0;
  /// True if CLOCK_BOOTTIME has gained more than 10 s on CLOCK_MONOTONIC since the last call: the
  /// machine was suspended.
  virtual bool resumed() noexcept = 0;
  virtual timer_wheel& timers() noexcept = 0;
};

} // namespace tonel::sys
