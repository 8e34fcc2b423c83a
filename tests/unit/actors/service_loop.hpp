#pragma once

#include "actors/runtime/reactor.hpp"
#include "actors/runtime/scheduler.hpp"
#include "tests/unit/actors/world.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <memory>
#include <optional>

namespace tonel::test {

/// A reactor in virtual time, for one actor of the whole process.
struct service_loop {
  service_loop() {
    actors::use_idle_scheduler(config);
    system.emplace(config);
    loop.emplace(*system, std::make_unique<virtual_loop>(now));
  }
  void step() {
    for (int i = 0; i < 8; ++i)
      loop->run_once(protocol::duration{-1});
  }
  void pass(protocol::duration time) {
    now += time;
    step();
  }
  void end() {
    caf::anon_send_exit(actor, caf::exit_reason::kill);
    actor = nullptr;
    step();
  }

  protocol::time_point now{std::chrono::seconds{100}};
  caf::actor_system_config config;
  std::optional<caf::actor_system> system;
  std::optional<actors::reactor> loop;
  caf::actor actor;
};

} // namespace tonel::test
