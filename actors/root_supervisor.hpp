#pragma once

#include "actors/firewall.hpp"
#include "actors/host.hpp"
#include "actors/interfaces.hpp"
#include "actors/reactor_actor.hpp"
#include "actors/shard.hpp"
#include "actors/supervision.hpp"
#include "protocol/expected.hpp"

#include <caf/behavior.hpp>

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

/// What the root is spawned with; all of it outlives the actors.
struct root_start {
  std::vector<shard*> shards;
  std::vector<process_tunnel> tunnels; ///< at the start
  const host* outside = nullptr;
  /// Writes the counters to the log.
  std::function<void()> report;
  /// A line for the service manager on how the tunnels are doing; may be null.
  std::function<std::string(protocol::time_point)> status;
  std::vector<service> services;
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
  const host* outside = nullptr;
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
