#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/runtime/reactor_actor.hpp"
#include "system/service_manager.hpp"

#include <caf/behavior.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tonel::actors {

/// The arguments of watchdog(); what they point to outlives the actors.
struct watchdog_start {
  sys::service_manager* manager = nullptr;
  std::vector<reactor*> loops; ///< each loop has to answer
  caf::actor until;            ///< the watchdog ends when this actor ends
  /// Gives the status line for the service manager; may be null.
  std::function<std::string(protocol::time_point)> status;
};

struct watchdog_state;

/// Feeds the service manager's watchdog twice per interval, provided that each loop has run a
/// message since the last time. A loop that is stuck, even in a handler, starves the watchdog, and
/// the service manager restarts the process. Changes of the status line are sent at the same times,
/// to cost no wake-up of their own. Runs on the control loop, which is thereby watched as well.
caf::behavior watchdog(pinned<watchdog_state>* self, const watchdog_start& start);

struct watchdog_state {
  static inline const char* name = "watchdog";

  explicit watchdog_state(pinned<watchdog_state>* owner) : self(owner) {}
  void start(const watchdog_start& s);
  void on_timer();
  void on_pulse(const pulse_felt& pulse);
  void end();

private:
  void ask();
  void say_status();

  pinned<watchdog_state>* self;
  watchdog_start given;
  std::vector<caf::actor> pulses; ///< an actor on each loop
  std::uint64_t round = 0;
  std::vector<bool> answered;
  protocol::time_point next{};
  std::string told;
};

} // namespace tonel::actors
