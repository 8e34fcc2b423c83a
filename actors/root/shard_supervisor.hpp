#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/path/udp_listener.hpp"
#include "actors/runtime/reactor_actor.hpp"
#include "actors/shard/leave_order.hpp"
#include "actors/shard/session_limits.hpp"
#include "actors/shard/shard.hpp"
#include "actors/supervision/restart.hpp"
#include "actors/supervision/supervisor.hpp"
#include "protocol/hello.hpp"

#include <caf/behavior.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

namespace tonel::actors {

struct shard_supervisor_state;

/// Supervises one shard's tun_queue, a listener for each tunnel, and the sessions as a group, one for
/// one: where queue or listener fail, the sessions go on with the ones that take their places. Sessions
/// are not restarted: the next datagram or hello makes new ones.
caf::behavior shard_supervisor(pinned<shard_supervisor_state>* self, shard* where,
                               const caf::actor& root);

struct shard_supervisor_state {
  static inline const char* name = "shard";

  explicit shard_supervisor_state(pinned<shard_supervisor_state>* owner) : self(owner) {}
  void start(shard* s, const caf::actor& root_supervisor);
  void adopt(adopt_stream& request);
  void open(const open_session& request);
  void set_peers(const peers_changed& peers);
  void readdress(const ways_changed& now);
  void answered(const remote_answers& what);
  void resolved(const remote_resolved& changed);
  void tried(const remote_tried& what);
  void set_tunnels(const tunnels_changed& changed);
  void probe();
  void tell_status(const ask_status& question);
  void close_session_of(const close_one& request);
  void release_place(const session_closing& closing);
  void displace(const displace_session& request);
  void stop();
  /// Called when this actor fails itself: kills all children and awaits none.
  void fail();
  void on_down(const caf::down_msg& down);
  void on_timer();

private:
  /// Key of a native session: a client may use one id for two tunnels.
  struct session_key {
    const tunnel_config* tunnel = nullptr; ///< kept alive by the session's entry
    protocol::session_id id{};
    bool operator==(const session_key& o) const noexcept {
      return tunnel == o.tunnel && id == o.id;
    }
  };
  struct server_entry {
    caf::actor session;
    tunnel_ptr tunnel;
    session_key key;
    session_limits::place place;
    std::uint64_t owner = 0; ///< legacy session: its key in place of the id
  };
  struct client_entry {
    caf::actor session;
    tunnel_ptr tunnel;
    sys::datagram_path path;
  };
  /// The listener of a tunnel; its actor is null while it is down.
  struct listener_seat {
    supervisor::child_id id = 0;
    caf::actor actor;
  };
  struct session_hash {
    std::uint64_t seed = 0;
    std::size_t operator()(const session_key& key) const noexcept;
  };

  // The children, in the order of their stages.
  child queue_child();
  child listener_child(const shard_tunnel& tunnel, const std::shared_ptr<listener_seat>& seat);
  child sessions_child();
  /// Starts listeners of tunnels that have none, unless a retired listener still holds the socket.
  void add_listeners();
  void close_tunnel(const shard_tunnel& removed);
  caf::actor listener_of(const tunnel_ptr& tunnel) const;
  caf::actor session_of(const adopt_stream& request) const;
  /// A place for a session of this address, if need be by ending a session that is worth less.
  session_limits::place place_for(const protocol::ip_address& address);
  /// Spawns a session; null: a limit forbids it.
  caf::actor make_session(const adopt_stream& request, const shard_tunnel& tunnel);
  /// Forgets a session that has ended; false: it was none.
  bool session_ended(const caf::down_msg& down);
  /// The restart budget is used up: ends the shard.
  void give_up(const char* of_what);
  void quit_or_arm();
  template <class F> void each_session(F f) {
    for (auto& [id, entry] : server_sessions)
      f(as<session_actor>(entry.session));
    for (auto& [id, entry] : client_sessions)
      f(as<session_actor>(entry.session));
  }

  pinned<shard_supervisor_state>* self;
  shard* where = nullptr;
  caf::actor root;
  std::shared_ptr<restart_plan> plan; ///< shared by the queue and the listeners
  supervisor children;
  caf::actor queue; ///< while it is down, that which has ended
  /// Client. Seats are shared with the children's descriptions.
  std::unordered_map<const tunnel_config*, std::shared_ptr<listener_seat>> listeners;
  /// Listeners of removed tunnels until they end: a new tunnel may wait for their sockets.
  std::unordered_map<supervisor::child_id, shard_tunnel> retired;
  std::optional<peers_changed> peers;
  // Declared before the entries that hold their places, to outlive them.
  std::unique_ptr<session_limits> limits; ///< server
  std::unique_ptr<leave_order> order;     ///< server: of the sessions that have a place
  std::shared_ptr<admission> admits;      ///< client: shared by the listeners
  // Ordered by id, so that status can list many sessions in pieces.
  std::map<caf::actor_id, server_entry> server_sessions;
  std::map<caf::actor_id, client_entry> client_sessions;
  std::unique_ptr<std::unordered_map<session_key, caf::actor, session_hash>> by_id;
  std::unordered_map<std::uint64_t, caf::actor> by_owner; ///< legacy sessions
  restart_budget session_faults{100, std::chrono::seconds{30}};
};

} // namespace tonel::actors
