#pragma once

#include "actors/firewall.hpp"
#include "actors/interfaces.hpp"
#include "actors/reactor_actor.hpp"
#include "actors/shard.hpp"
#include "actors/supervision.hpp"
#include "protocol/expected.hpp"
#include "system/service_manager.hpp"

#include <caf/behavior.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tonel::actors {

/// A try to resolve the name of a tunnel's remote has failed; it is tried again.
struct resolve_failed {
  tunnel_ptr tunnel;
  std::string reason;
};

/// What a reload has found.
struct reload_result {
  std::vector<tunnel_ptr> tunnels;   ///< all there are to be
  std::vector<std::string> problems; ///< not empty: nothing is to change
  std::string need_restart;          ///< options that have changed and wait for a restart
};

/// A client's sockets for one tunnel, by shard; none at the server.
using tunnel_sockets = std::vector<std::shared_ptr<sys::datagram_socket>>;
struct process_tunnel {
  tunnel_ptr settings;
  tunnel_sockets listeners;
};

/// An actor of the control reactor that the tunnels can do without: started again whenever it ends,
/// for as long as it takes.
struct service {
  std::string name;
  /// Spawns it; it is told of peers_changed and part_status.
  std::function<caf::actor(const caf::actor& root)> start;
};

/// What the root is spawned with; all of it outlives the actors.
struct root_start {
  std::vector<shard*> shards;
  /// A descriptor readable when signals wait (-1: none), and the signals.
  int signal_fd = -1;
  std::function<std::vector<int>()> take_signals;
  std::vector<process_tunnel> tunnels;
  /// Resolves the tunnel's remote without blocking and sends remote_resolved or resolve_failed to the
  /// handle.
  std::function<void(const tunnel_ptr&, caf::actor)> resolve;
  /// Reads the configuration again without blocking and sends reload_result to the handle.
  std::function<void(caf::actor)> reload;
  /// Opens the sockets of a tunnel that a reload brings.
  std::function<sys::result<tunnel_sockets>(const tunnel_config&)> listen;
  /// Is told the tunnels that there are after a reload has changed them.
  std::function<void(const std::vector<tunnel_ptr>&)> tunnels_changed;
  /// What the firewall actor is spawned with; null: none is wanted.
  const firewall_start* firewall = nullptr;
  /// Writes the counters to the log.
  std::function<void()> report;
  /// Opens the log's file again, for programs that move it away; may be null.
  std::function<void()> reopen_log;
  /// Told when all shards are up, and when they go; its watchdog is fed. May be null.
  sys::service_manager* manager = nullptr;
  /// A line for the service manager on how the tunnels are doing; may be null.
  std::function<std::string(protocol::time_point)> status;
  std::vector<service> services;
  std::atomic<int>* exit_code = nullptr;
};

struct root_supervisor_state;

/// Keeps the shards and the firewall actor: one for one; the latter however often it fails, since
/// tunnels do without it. Ends with them at SIGINT and SIGTERM (exit code 0), or when one
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
  void reload();
  void reloaded(const reload_result& found);
  void rules_told(const rules_status& now);
  void stop(int code);
  void note(const part_status& part);
  void reload(const ask_reload& question);

private:
  struct helper {
    caf::actor actor;
    std::optional<protocol::time_point> restart_at;
    backoff wait{std::chrono::seconds{1}, std::chrono::seconds{1}, std::chrono::seconds{60}};
  };
  void start_service(std::size_t index);
  void service_down(helper& h);
  void answer_reload(bool done, const std::string& detail);
  bool know_each_other() const;
  peers_changed peers() const;
  template <class Message> void tell_services(const Message& message);

  struct child {
    caf::actor supervisor;
    caf::actor queue;
    std::optional<protocol::time_point> restart_at;
    restart_budget restarts{1, std::chrono::seconds{30}};
    backoff wait{std::chrono::milliseconds{100}, std::chrono::milliseconds{100},
                 std::chrono::seconds{10}};
  };
  /// A tunnel, and what is known of its remote.
  struct tunnel_state {
    tunnel_ptr tunnel;
    tunnel_sockets listeners;
    std::optional<protocol::endpoint> address;
    std::optional<protocol::time_point> resolve_at;
    backoff wait{std::chrono::seconds{1}, std::chrono::seconds{1}, std::chrono::seconds{30}};
    bool told_unresolved = false;
  };
  void spawn(std::size_t index);
  void spawn_firewall();
  void firewall_down();
  void tell_firewall();
  void add_rules(const tunnel_state& t, ensure_rules& to) const;
  void resolve(tunnel_state& t);
  tunnel_state* find(const tunnel_ptr& tunnel);
  bool merge(const reload_result& found, std::vector<tunnel_state>& next);
  void send_tunnels(std::size_t shard);
  void switch_tunnels();
  void rules_settled();
  void reload_late();
  void start_watchdog();
  /// To the service manager, once shards and rules are there, and after each reload.
  void tell_ready();
  void tell_status();
  void announce();
  void arm();
  void finish_if_done();

  pinned<root_supervisor_state>* self;
  root_start given;
  std::vector<child> children;
  std::vector<tunnel_state> tunnels;
  bool reloading = false;
  bool reload_again = false; ///< asked for meanwhile
  protocol::time_point reload_since{};
  std::optional<protocol::time_point>
      reload_late_at; ///< its files are waited for, and not said late
  /// The rules of changed tunnels are being set; by then the shards get them.
  std::optional<protocol::time_point> switch_at;
  /// The rules of tunnels that a reload has taken away: until then, for the last packets need them.
  ensure_rules leaving;
  std::optional<protocol::time_point> leaving_until;
  caf::actor rules;
  std::optional<protocol::time_point> rules_at;
  protocol::time_point rules_since{};
  backoff rules_wait{std::chrono::seconds{1}, std::chrono::seconds{2}, std::chrono::seconds{60}};
  bool rules_tried = false;
  /// What is wrong with the rules, for the status; the watchdog's, too.
  std::shared_ptr<std::string> rules_problem = std::make_shared<std::string>();
  bool told_ready = false;
  std::vector<ask_reload> reload_questions; ///< answered when it is over
  std::vector<helper> helpers;              ///< of given.services
  part_table parts;                         ///< for those that start later
  bool stopping = false;
};

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::resolve_failed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::reload_result)
