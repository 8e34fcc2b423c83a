#pragma once

#include "actors/interfaces.hpp"
#include "actors/reactor_actor.hpp"
#include "actors/shard.hpp"
#include "actors/supervision.hpp"

#include <caf/behavior.hpp>

#include <atomic>
#include <functional>
#include <optional>
#include <vector>

namespace tonel::actors {

/// A try to resolve the name of a tunnel's remote has failed; it is tried again.
struct resolve_failed {
  tunnel_ptr tunnel;
  std::string reason;
};

/// What the root is spawned with; all of it outlives the actors.
struct root_start {
  std::vector<shard*> shards;
  /// A descriptor readable when signals wait (-1: none), and the signals.
  int signal_fd = -1;
  std::function<std::vector<int>()> take_signals;
  std::vector<tunnel_ptr> tunnels;
  /// Resolves the tunnel's remote without blocking and sends remote_resolved or resolve_failed to the
  /// handle.
  std::function<void(const tunnel_ptr&, caf::actor)> resolve;
  /// Writes the counters to the log.
  std::function<void()> report;
  std::atomic<int>* exit_code = nullptr;
};

struct root_supervisor_state;

/// Keeps the shards: one for one. Ends with them at SIGINT and SIGTERM (exit code 0), or when one
/// fails more often than its budget permits (exit code 1, for the service manager to start anew).
caf::behavior root_supervisor(pinned<root_supervisor_state>* self, const root_start& start);

struct root_supervisor_state {
  static inline const char* name = "root";

  explicit root_supervisor_state(pinned<root_supervisor_state>* owner) : self(owner) {}
  void start(const root_start& s);
  void on_signals();
  void on_child(const child_up& up);
  void on_down(const caf::down_msg& down);
  void on_timer();
  void resolved(const remote_resolved& found);
  void not_resolved(const resolve_failed& failure);
  void probe();
  void stop(int code);

private:
  struct child {
    caf::actor supervisor;
    caf::actor queue;
    std::optional<protocol::time_point> restart_at;
    restart_budget restarts{1, std::chrono::seconds{30}};
    backoff wait{std::chrono::milliseconds{100}, std::chrono::milliseconds{100},
                 std::chrono::seconds{10}};
  };
  /// What is known of a tunnel's remote.
  struct remote {
    tunnel_ptr tunnel;
    std::optional<protocol::endpoint> address;
    std::optional<protocol::time_point> resolve_at;
    backoff wait{std::chrono::seconds{1}, std::chrono::seconds{1}, std::chrono::seconds{30}};
    bool told_unresolved = false;
  };
  void spawn(std::size_t index);
  void resolve(remote& r);
  remote* find(const tunnel_ptr& tunnel);
  void announce();
  void arm();
  void finish_if_done();

  pinned<root_supervisor_state>* self;
  root_start given;
  std::vector<child> children;
  std::vector<remote> remotes; ///< of all tunnels
  bool stopping = false;
};

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::resolve_failed)
