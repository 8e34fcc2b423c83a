#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/operations/connections.hpp"
#include "actors/operations/status_collector.hpp"
#include "actors/runtime/behavior_of.hpp"
#include "actors/runtime/reactor_actor.hpp"

#include <caf/behavior.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace tonel::actors {

/// The arguments of control() and http().
struct status_start {
  std::shared_ptr<const process_facts> facts; ///< outlives the actors
  std::shared_ptr<sys::stream_listener> listener;
  caf::actor root;
  /// Carries out an order without blocking, and sends capture_done to the actor; null: no captures.
  std::function<void(const capture_order&, const caf::actor&)> capture = nullptr;
};

/// Base of the states of control and http: the clients of a listener, and the state of shards and
/// parts to answer them.
struct status_server {
  void serve(reactor_actor& self, const status_start& s, const connection_bounds& bounds,
             connections::admission admit, connections::request_handler on_request);
  /// The earliest deadline of clients and shards.
  std::optional<protocol::time_point> next_deadline() const;

  status_start given;
  std::unique_ptr<status_collector> collector;
  std::unique_ptr<connections> clients;
  part_table parts;
};

/// Handles a message, then arms the timer, since the next deadline may have changed.
template <class State, class Handler> void and_arm(pinned<State>* self, Handler handle) {
  handle(self->state);
  self->state.arm();
}

/// The behaviour of both actors: common handlers, and `more`. The state needs `on_timer()` and
/// `arm()`.
template <class Handle, class State, class... More>
caf::behavior status_behavior(pinned<State>* self, More... more) {
  return behavior_of<Handle, own<fd_event, timer_event>>(
      [=](const fd_event& e) { and_arm(self, [&](auto& st) { st.clients->on_ready(e); }); },
      [=](timer_event) { and_arm(self, [](auto& st) { st.on_timer(); }); },
      [=](const peers_changed& p) {
        and_arm(self, [&](auto& st) { st.collector->set_shards(p.supervisors); });
      },
      [=](const shard_status& s) { and_arm(self, [&](auto& st) { st.collector->take(s); }); },
      [=](const host_answer& h) { and_arm(self, [&](auto& st) { st.collector->take(h); }); },
      [=](const part_status& part) { remember(self->state.parts, part); }, std::move(more)...);
}

} // namespace tonel::actors
