#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/runtime/reactor_actor.hpp"
#include "actors/session/life_events.hpp"
#include "actors/shard/leave_order.hpp"
#include "actors/shard/shard.hpp"
#include "protocol/session/server_session.hpp"

#include <boost/container/small_vector.hpp>
#include <caf/behavior.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tonel::actors {

struct server_session_state;

/// The arguments of server_session().
/// Owns: the shard outlives the actor; `use` is shared with the session's streams
struct server_session_start {
  shard* where = nullptr;
  tunnel_ptr tunnel;
  caf::actor queue; ///< its shard's tun_queue
  caf::actor supervisor;
  std::vector<protocol::endpoint> upstreams;         ///< the upstream's addresses, the best first
  group_registry::lease group;                       ///< legacy client: held while others can join
  std::shared_ptr<protocol::answer_limit> answers;   ///< legacy client: shared by its streams
  std::optional<protocol::session_proof> proof = {}; ///< native client: checks its hellos
  std::shared_ptr<session_use> use;
  std::shared_ptr<tunnel_health> health = nullptr; ///< the tunnel's
  protocol::session_id id = {};                    ///< zeros: of a legacy client, which has none
  // From an estate; empty: there is none.
  upstream_sockets inherited = {};
  protocol::endpoint inherited_from = {}; ///< their peer
};

/// The actor of one session at the server: the shell around a protocol::server_session, whose
/// effects it runs.
/// Owns: the session's UDP sockets to the upstream
caf::behavior server_session(pinned<server_session_state>* self, const server_session_start& start);

struct server_session_state {
  static inline const char* name = "session";

  explicit server_session_state(pinned<server_session_state>* owner) : self(owner) {}
  server_session_state(const server_session_state&) = delete;
  server_session_state& operator=(const server_session_state&) = delete;
  /// However it ends, what is its own goes with it: cheaper than a monitor in each child.
  ~server_session_state();
  void start(const server_session_start& s);
  void adopt(adopt_stream& request);
  void on_report(const protocol::stream_report& report);
  /// Makes `call(machine, now)`, runs the effects that it returns and arms the timer.
  /// request: the stream to adopt, where `call` is adopt()
  template <class Call> void step(const Call& call, adopt_stream* request = nullptr);
  void resolved(const remote_resolved& found);
  void set_queue(const queue_changed& changed);
  void tried(const upstream_tried& what);
  void on_down(const caf::down_msg& down);
  void tell_status(const ask_status& question) const;

private:
  /// A stream whose actor has not ended yet.
  struct child {
    protocol::stream_number number = 0;
    stream_actor stream;
  };

  const child* find(protocol::stream_number number) const;
  void run(const protocol::server_effects& effects, adopt_stream* request);
  void admit(const protocol::admit_stream& how, adopt_stream& request);
  void give(protocol::stream_number number, adopt_stream& request);
  void open_upstreams();
  std::vector<std::uint16_t> upstream_ports() const;
  session_title title() const { return {*tunnel, id, machine->peer()}; }
  void closed(const char* why);
  void release_upstreams();
  void leave_estate();
  void move_upstream(const protocol::endpoint& to);
  void announce(const protocol::announce_streams& now);
  void log(const protocol::session_remark& what) const;

  pinned<server_session_state>* self;
  shard* where = nullptr;
  tunnel_ptr tunnel;
  caf::actor queue;
  caf::actor supervisor;
  protocol::endpoint upstream;
  bool has_others = false; ///< the upstream has several addresses
  bool refused = false;    ///< the upstream refuses datagrams at this address
  /// Connected to the upstream. Opened at the first datagram, so that a handshake alone costs no
  /// socket; then kept until the session ends or the upstream moves, so that the upstream sees the
  /// same UDP port whatever happens to streams.
  upstream_sockets sockets;
  group_registry::lease group;
  std::shared_ptr<session_use> use; ///< written by all streams of the session
  std::shared_ptr<tunnel_health> health;
  protocol::session_id id{}; ///< zeros: of a legacy client
  caf::actor endpoint;
  std::optional<protocol::server_session> machine; ///< empty until start()
  boost::container::small_vector<child, 1> streams;
  protocol::time_point born{};
  bool was_opened = false; ///< the upstream was, once
  bool life_told = false;  ///< that it opened was logged
  counted_sessions counted;
  protocol::standing stood = protocol::standing::opening; ///< when that was logged last
};

} // namespace tonel::actors
