#pragma once

#include "actors/connections.hpp"
#include "actors/interfaces.hpp"
#include "actors/reactor_actor.hpp"
#include "actors/status_collector.hpp"

#include <caf/behavior.hpp>

#include <map>
#include <memory>
#include <string>

namespace tonel::actors {

/// What control and http are spawned with.
struct status_start {
  std::shared_ptr<const process_facts> facts; ///< outlives the actors
  std::shared_ptr<sys::stream_listener> listener;
  caf::actor root;
};

struct control_state;

/// Answers tonelctl at a local socket: one JSON object a line asks, one a line answers
/// (docs/operations.md). Root and the user of this process alone are served.
caf::behavior control(pinned<control_state>* self, const status_start& start);

struct control_state {
  static inline const char* name = "control";

  explicit control_state(pinned<control_state>* owner) : self(owner) {}
  void start(const status_start& s);
  void on_timer();
  void on_reloaded(const reload_done& result);
  /// Once after each message: the next deadline may be another.
  void arm();

  pinned<control_state>* self;
  status_start given;
  std::unique_ptr<status_collector> collector;
  std::unique_ptr<connections> clients;
  part_table parts;

private:
  bool take(connections::client_id client, std::string& input);
  void obey(connections::client_id client, const std::string& line);
  void sessions(connections::client_id client, std::size_t most, std::uint64_t after);
  void close(connections::client_id client, std::uint64_t session);
  void reload(connections::client_id client);
  void answer(connections::client_id client, std::string line);

  struct reload_question {
    connections::client_id client = 0;
    protocol::time_point deadline;
  };
  std::map<std::uint64_t, reload_question> reloads; ///< those that root still works on
  std::uint64_t last_reload = 0;
};

} // namespace tonel::actors
