#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/runtime/inlet.hpp"
#include "actors/runtime/reactor_actor.hpp"
#include "actors/shard/leave_order.hpp"
#include "actors/shard/session_limits.hpp"
#include "actors/shard/shard.hpp"

#include <caf/behavior.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tonel::actors {

struct udp_listener_state;

/// The limits that the listeners of a shard share.
/// Thread: the shard's
struct admission {
  explicit admission(const session_limits& limits) : sessions(limits) {}
  session_limits sessions;
  leave_order order{role::client}; ///< of sessions that have a place and do not close
  std::size_t pending_total = 0;   ///< octets of datagrams that wait for their sessions
};

/// The arguments of udp_listener().
struct udp_listener_start {
  shard* where = nullptr;
  tunnel_ptr tunnel;
  std::shared_ptr<sys::datagram_socket> socket;
  std::shared_ptr<admission> bounds;
  caf::actor supervisor;
};

/// The actor of a client's UDP socket of one tunnel: routes datagrams between applications and
/// sessions.
caf::behavior udp_listener(pinned<udp_listener_state>* self, const udp_listener_start& start);

struct udp_listener_state : inlets<wire_to_app> {
  static inline const char* name = "udp_listener";

  explicit udp_listener_state(pinned<udp_listener_state>* owner) : self(owner) {}
  ~udp_listener_state();
  udp_listener_state(const udp_listener_state&) = delete;
  udp_listener_state& operator=(const udp_listener_state&) = delete;
  void start(const udp_listener_start& s);
  void on(const fd_event&) { read(); }
  void on(wire_to_app& batch) override { send(batch); }
  void read();
  void send(wire_to_app& batch);
  void session(const session_changed& changed);
  void streams(streams_changed& changed);
  void on_timer();

private:
  struct path_hash {
    protocol::address_hash hash;
    std::size_t operator()(const sys::datagram_path& p) const noexcept {
      return hash(p.peer) ^ (hash(p.local) * 0x9e3779b97f4a7c15u);
    }
  };
  /// A datagram, copied, that waits for its session to open.
  struct waiting {
    protocol::time_point since;
    std::vector<std::uint8_t> octets;
  };
  /// The waiting datagrams, oldest first. Empty for nearly all peers, and then without cost.
  class waiting_line {
  public:
    bool empty() const noexcept { return size() == 0; }
    std::size_t size() const noexcept { return all_.size() - gone_; }
    const waiting& front() const noexcept { return all_[gone_]; }
    void push_back(waiting w) { all_.push_back(std::move(w)); }
    void pop_front();

  private:
    std::vector<waiting> all_;
    std::size_t gone_ = 0; ///< entries gone from the front
  };
  /// An application and its session.
  struct peer {
    client_session_actor session;
    caf::actor_id session_id = 0;
    std::vector<outlet<app_to_wire, stream_actor>> streams;
    std::size_t next = 0; ///< the stream that the next batch goes to
    client_place place;
    bool asked = false; ///< the session knows that datagrams wait
    bool older = false; ///< the dialect is legacy
    bool early = false; ///< early datagrams were sent; no more before the server's first segment
    waiting_line pending;
    std::size_t pending_bytes = 0;
    std::vector<sys::chunk> inbound; ///< datagrams of this wake-up
    bool queued = false;
    /// Whether datagrams have to wait, or else would overtake waiting ones.
    bool holds() const noexcept { return streams.empty() || !pending.empty(); }
  };
  using peer_map = std::unordered_map<sys::datagram_path, peer, path_hash>;
  using peer_entry = peer_map::value_type;

  void take(sys::received_datagrams& datagrams);
  peer_map::iterator admit(const sys::datagram_path& path);
  session_limits::place place_for(const protocol::ip_address& application);
  /// Ends the session that is worth least; false: there is none.
  bool displace(bool one_shot_alone);
  void hold(peer_entry& entry, const sys::chunk& datagrams);
  /// Asks for sessions for waiting applications, the newest first, `most` at most.
  void open_some(std::size_t most);
  /// Forgets the application and its waiting datagrams.
  void give_up(peer_map::iterator entry);
  void arm();
  void forward(peer& p);
  void flush_pending(peer_entry& entry, std::size_t room);
  void drop_oldest(peer& p);
  void forget_oldest(peer& p);
  /// When the peer's oldest datagram has waited too long.
  protocol::time_point due_time(const peer& p) const noexcept;

  pinned<udp_listener_state>* self;
  shard* where = nullptr;
  udp_listener_start given;
  shard_supervisor_actor supervisor;
  std::shared_ptr<tunnel_health> health; ///< the tunnel's
  reactor::watch_id watch = 0;
  std::unique_ptr<peer_map> peers;
  std::vector<sys::received_datagrams> received;
  std::vector<peer_entry*> touched;
  peer_entry* last_entry = nullptr; ///< source of the last datagrams
  std::vector<sys::outgoing_run> runs;
  std::deque<sys::datagram_path> unopened; ///< sessions not asked for yet, oldest first
  /// Peers with waiting datagrams, by due_time().
  std::set<std::pair<protocol::time_point, peer_entry*>> due;
};

} // namespace tonel::actors
