#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/root/changeover.hpp"
#include "actors/root/host.hpp"
#include "actors/root/readiness.hpp"
#include "actors/root/reloading.hpp"
#include "actors/root/remotes.hpp"
#include "actors/root/signals.hpp"
#include "actors/runtime/reactor_actor.hpp"
#include "actors/shard/shard.hpp"
#include "actors/supervision/supervisor.hpp"

#include <caf/behavior.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tonel::actors {

/// The arguments of root_supervisor().
struct root_start {
  std::vector<shard*> shards;          ///< outlive the actors
  std::vector<process_tunnel> tunnels; ///< at the start
  const host* outside = nullptr;       ///< outlives the actors
  /// Writes the counters to the log.
  std::function<void()> report;
  /// Gives the status line for the service manager; may be null.
  std::function<std::string(protocol::time_point)> status;
  std::vector<service> services;
};

struct root_supervisor_state;

/// Supervises the firewall actor, the shards and the services, one for one. Firewall and services
/// are restarted without a limit, since the tunnels work without them. Stops all of them and ends
/// at SIGINT and SIGTERM (exit code 0), or when a shard exceeds its restart budget (exit code 1, so
/// that the service manager restarts the process). Connects the other rooms of actors/root/.
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
  void tried(const remote_tried& what);
  void not_resolved(const resolve_failed& failure);
  void probe();
  void reload();
  void reload(const ask_reload& question);
  void reloaded(const reload_result& found);
  void rules_told(const rules_status& now);
  void note(const part_status& part);
  void stop(int code);
  /// Called when this actor fails itself: asks all children to end and awaits none.
  void fail();

private:
  /// The actors of a shard that other shards send to; null while they are down.
  struct shard_seat {
    supervisor::child_id id = 0;
    caf::actor actor, queue;
  };
  struct service_seat {
    supervisor::child_id id = 0;
    caf::actor actor;
  };
  enum class timer : std::uint8_t { children, remotes, reload, rules, count };

  void open_rooms();
  // The children, in the order of their stages.
  child firewall_child();
  child shard_child(std::size_t index);
  child service_child(std::size_t index);
  void firewall_down();
  void shard_down(shard_seat& seat, const supervisor::outcome& end);
  void service_down(service_seat& seat, const supervisor::outcome& end);
  void start_watchdog();

  // Handles and settings for the children.
  bool know_each_other() const;
  peers_changed peers() const;
  template <class Message> void tell_shards(const Message& message);
  template <class Message> void tell_services(const Message& message);
  void send_tunnels(std::size_t shard);
  tunnel_health* health_of(const tunnel_ptr& tunnel) const; ///< null: it is no more
  void switch_tunnels();
  void tell_addresses(const std::vector<tunnel_ptr>& of);
  void tell_firewall();
  void add_rules(const tunnel_ptr& tunnel, ensure_rules& to) const;
  void rules_tried();

  /// Applies the result of a reload and answers those who asked for it.
  void take_over(const reload_result& found);
  void announce_stop(int code);
  void arm();
  caf::actor me() { return caf::actor_cast<caf::actor>(self); }

  pinned<root_supervisor_state>* self;
  root_start given;
  const host* outside = nullptr;
  supervisor children;
  supervisor::child_id firewall_id = 0;
  caf::actor rules; ///< the firewall actor; null while it is down
  std::vector<shard_seat> shards;
  std::vector<service_seat> services;
  std::vector<process_tunnel> tunnels;
  part_table parts; ///< kept for services that start later
  std::unique_ptr<remotes> addresses;
  std::unique_ptr<reloading> reader;
  changeover change;
  readiness ready;
  bool stopping = false;
};

} // namespace tonel::actors
