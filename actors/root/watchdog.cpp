#include "actors/root/watchdog.hpp"

#include "actors/runtime/behavior_of.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace tonel::actors {

namespace {

struct pulse_state {
  static inline const char* name = "pulse";
  explicit pulse_state(pinned<pulse_state>*) {}
};

/// Answers questions from the loop that it lives on; the answer shows that the loop still runs.
caf::behavior pulse(pinned<pulse_state>* self, std::size_t loop, const caf::actor& watchdog) {
  return behavior_of<pulse_actor, own<>>(
      [self, loop, to = as<watchdog_actor>(watchdog)](const feel_pulse& ask) {
        self->send(to, pulse_felt{loop, ask.round});
      });
}

} // namespace

caf::behavior watchdog(pinned<watchdog_state>* self, const watchdog_start& start) {
  self->on_fault([self] { self->state.end(); });
  self->state.start(start);
  self->set_down_handler([self](const caf::down_msg&) {
    self->state.end();
    self->quit();
  });
  return behavior_of<watchdog_actor, own<timer_event>>(
      [self](timer_event) { self->state.on_timer(); },
      [self](const pulse_felt& p) { self->state.on_pulse(p); });
}

void watchdog_state::start(const watchdog_start& s) {
  given = s;
  self->monitor(given.until);
  // Only the DOWN is needed; a handle would keep the actor from being destroyed.
  given.until = nullptr;
  for (std::size_t i = 0; i < given.loops.size(); ++i)
    pulses.push_back(given.loops[i]->spawn(pulse, i, caf::actor_cast<caf::actor>(self)));
  answered.resize(pulses.size());
  ask();
}

void watchdog_state::ask() {
  ++round;
  std::fill(answered.begin(), answered.end(), false);
  for (const auto& p : pulses)
    self->send(as<pulse_actor>(p), feel_pulse{round});
  next = self->now() + given.manager->watchdog_interval() / 2;
}

void watchdog_state::on_pulse(const pulse_felt& pulse) {
  if (pulse.round != round || answered[pulse.loop]) return;
  answered[pulse.loop] = true;
  if (std::find(answered.begin(), answered.end(), false) != answered.end()) return;
  given.manager->alive();
  say_status();
  self->arm(next);
}

void watchdog_state::on_timer() { ask(); }

void watchdog_state::say_status() {
  if (!given.status) return;
  auto line = given.status(self->now());
  if (line == told) return;
  given.manager->status(line);
  told = std::move(line);
}

void watchdog_state::end() {
  for (const auto& p : pulses)
    self->send_exit(p, caf::exit_reason::user_shutdown);
  pulses.clear();
}

} // namespace tonel::actors
