#pragma once

#include "actors/connections.hpp"
#include "actors/interfaces.hpp"
#include "actors/reactor_actor.hpp"
#include "actors/status_collector.hpp"

#include <caf/message_handler.hpp>

#include <functional>
#include <memory>
#include <optional>

namespace tonel::actors {

/// What control and http are spawned with.
struct status_start {
  std::shared_ptr<const process_facts> facts; ///< outlives the actors
  std::shared_ptr<sys::stream_listener> listener;
  caf::actor root;
  /// Obeys without blocking, and sends capture_done to the handle; null: nothing can be captured.
  std::function<void(const capture_order&, const caf::actor&)> capture = nullptr;
};

/// What the states of control and http have in common: clients of a listener that ask, and what the
/// shards and parts of the process tell to answer them.
struct status_server {
  void serve(reactor_actor& self, const status_start& s, const connection_bounds& bounds,
             connections::admission admit, connections::request_handler on_request);
  /// The earliest of what clients and shards are waited for.
  std::optional<protocol::time_point> next_deadline() const;

  status_start given;
  std::unique_ptr<status_collector> collector;
  std::unique_ptr<connections> clients;
  part_table parts;
};

/// Handles a message; after each the next deadline may be another.
template <class State, class Handler> void and_arm(pinned<State>* self, Handler handle) {
  handle(self->state);
  self->state.arm();
}

/// The handlers that both have. The state has `on_timer()` and `arm()`, too.
template <class State> caf::message_handler status_handlers(pinned<State>* self) {
  return {
      [=](const fd_event& e) { and_arm(self, [&](auto& st) { st.clients->on_ready(e); }); },
      [=](timer_event) { and_arm(self, [](auto& st) { st.on_timer(); }); },
      [=](const peers_changed& p) {
        and_arm(self, [&](auto& st) { st.collector->set_shards(p.supervisors); });
      },
      [=](const shard_status& s) { and_arm(self, [&](auto& st) { st.collector->take(s); }); },
      [=](const host_answer& h) { and_arm(self, [&](auto& st) { st.collector->take(h); }); },
      [=](const part_status& part) { remember(self->state.parts, part); },
  };
}

} // namespace tonel::actors
