#pragma once

namespace caf {
class actor_system_config;
}

namespace tonel::actors {

/// CAF's own scheduler as this program needs it: hardly. All of its actors run on reactors, which have
/// their timers, too; so one worker is enough, which sleeps, and an actor that ends wakes no clock.
/// Timeouts of CAF work all the same; once one has been set, ends cost what they cost elsewhere.
void use_idle_scheduler(caf::actor_system_config& config);

} // namespace tonel::actors
