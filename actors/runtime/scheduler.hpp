#pragma once

namespace caf {
class actor_system_config;
}

namespace tonel::actors {

/// Sets up CAF's scheduler for a program that hardly needs it: all actors and timers are on
/// reactors, so one sleeping worker is enough, and the end of an actor wakes no clock. CAF's
/// timeouts still work; once one was set, ends of actors cost as much as usual.
void use_idle_scheduler(caf::actor_system_config& config);

} // namespace tonel::actors
