#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/messages/status.hpp"
#include "actors/runtime/reactor_actor.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace tonel::actors {

/// Asks all shards, and the system if need be, and gathers what they say until all have answered or a
/// second is over. A question to the system that has not been answered for longer is not waited for,
/// and no other is put meanwhile.
class status_collector {
public:
  using done = std::function<void(status_snapshot)>;

  /// Has host_answer sent to the handle.
  using host_question = std::function<void(const caf::actor&)>;

  status_collector(reactor_actor& owner, std::size_t shards, host_question ask_host = {})
      : owner_(owner), shards_(shards), ask_host_(std::move(ask_host)) {}
  /// Questions asked before are put to these shards now.
  void set_shards(const std::vector<caf::actor>& supervisors);
  /// sessions: at most so many of each shard tell of themselves; after: those of a larger number
  void ask(std::size_t sessions, std::uint64_t after, done then);
  /// No sessions, but what the system says.
  void ask_all(done then);
  /// then: whether any shard had the session
  void close(std::uint64_t session, std::function<void(bool)> then);

  void take(const shard_status& answer);
  void take(session_status&& answer);
  void take(const session_closed& answer);
  void take(const host_answer& answer);
  void on_timer();
  std::optional<protocol::time_point> next_deadline() const;

private:
  struct question {
    ask_status text;
    status_snapshot gathered;
    done then;
    std::uint64_t session = 0; ///< to be closed
    std::function<void(bool)> then_closed;
    std::size_t answers = 0;
    bool found = false;
    bool sent = false;
    bool waits_for_host = false;
    protocol::time_point deadline;
  };
  using question_map = std::map<std::uint64_t, question>;

  question& add();
  void send(question& q);
  void ask_host(question& q);
  void finish_if_done(question_map::iterator at);
  void finish(question_map::iterator at);

  reactor_actor& owner_;
  std::size_t shards_;
  host_question ask_host_;
  std::optional<protocol::time_point> host_asked_; ///< and no answer yet
  std::vector<shard_supervisor_actor> supervisors_;
  std::uint64_t last_ = 0;
  question_map open_;
};

} // namespace tonel::actors
