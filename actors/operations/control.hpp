#pragma once

#include "actors/operations/status_server.hpp"

#include <caf/behavior.hpp>

#include <map>
#include <string>

namespace tonel::actors {

struct control_state;

/// Answers tonelctl on a local socket: a JSON object on a line for each question and answer
/// (docs/operations.md). Only serves root and the user of this process.
caf::behavior control(pinned<control_state>* self, const status_start& start);

struct control_state : status_server {
  static inline const char* name = "control";

  explicit control_state(pinned<control_state>* owner) : self(owner) {}
  void start(const status_start& s);
  void on_timer();
  void on_reloaded(const reload_done& result);
  void on_captured(const capture_done& result);
  void arm();

  pinned<control_state>* self;

private:
  bool take(connections::client_id client, std::string& input);
  void obey(connections::client_id client, const std::string& line);
  void sessions(connections::client_id client, std::size_t most, std::uint64_t after);
  void close(connections::client_id client, std::uint64_t session);
  void reload(connections::client_id client);
  template <class Request> void capture(connections::client_id client, const Request& request);
  void answer(connections::client_id client, std::string line);

  /// An order that other actors or workers carry out.
  struct order {
    connections::client_id client = 0;
    protocol::time_point deadline;
    const char* late = ""; ///< the answer at the deadline
  };
  std::uint64_t give_order(connections::client_id client, const char* late);
  void carried_out(std::uint64_t question, const char* member, bool done,
                   const std::string& detail);

  std::map<std::uint64_t, order> orders; ///< not carried out yet
  std::uint64_t last_order = 0;
};

} // namespace tonel::actors
