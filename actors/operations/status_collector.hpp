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

/// Asks all shards, and the system if need be, and gathers the answers until all have come or a
/// second is over. While an earlier question to the system is unanswered for longer, it is neither
/// waited for nor repeated.
class status_collector {
public:
  using done = std::function<void(status_snapshot)>;

  /// Asks the system; host_answer is sent to the actor.
  using host_question = std::function<void(const caf::actor&)>;

  status_collector(reactor_actor& owner, std::size_t shards, host_question ask_host = {})
      : owner_(owner), shards_(shards), ask_host_(std::move(ask_host)) {}
  /// Sets the shards, and sends them questions asked before.
  void set_shards(const std::vector<caf::actor>& supervisors);
  /// sessions: the most sessions of each shard to list; after: lists only those with a larger
  ///           number
  void ask(std::size_t sessions, std::uint64_t after, done then);
  /// Asks for no sessions, but also asks the system.
  void ask_all(done then);
  /// Closes a session. then: called with whether a shard had it
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
    std::uint64_t session = 0; ///< session to close; 0: none
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
  std::optional<protocol::time_point> host_asked_; ///< when; none: no unanswered question
  std::vector<shard_supervisor_actor> supervisors_;
  std::uint64_t last_ = 0;
  question_map open_;
};

} // namespace tonel::actors
