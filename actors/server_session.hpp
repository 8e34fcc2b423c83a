#pragma once

#include "actors/interfaces.hpp"
#include "actors/leave_order.hpp"
#include "actors/reactor_actor.hpp"
#include "actors/shard.hpp"
#include "actors/stream.hpp"
#include "actors/supervision.hpp"
#include "protocol/session_proof.hpp"

#include <caf/behavior.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace tonel::actors {

struct server_session_state;

/// What a session at the server is spawned with.
struct server_session_start {
  shard* where = nullptr;
  tunnel_ptr tunnel;
  caf::actor queue; ///< its shard's tun_queue
  caf::actor supervisor;
  protocol::endpoint upstream;
  group_registry::lease group; ///< of an older client: released when nobody can join any more
  std::shared_ptr<protocol::answer_limit> answers;   ///< of an older client
  std::optional<protocol::session_proof> proof = {}; ///< of a native client: for its hellos
  std::shared_ptr<session_use> use;
};

/// One peer's session at the server: owns its UDP sockets, takes the streams that join it. That of an
/// older client ends with its last stream, since nothing could bring another to it.
caf::behavior server_session(pinned<server_session_state>* self, const server_session_start& start);

struct server_session_state {
  static inline const char* name = "session";

  explicit server_session_state(pinned<server_session_state>* owner) : self(owner) {}
  void start(const server_session_start& s);
  void adopt(adopt_stream& request);
  void on_event(const protocol::stream_report& event);
  void on_down(const caf::down_msg& down);
  void on_timer();
  void probe();
  void close(bool at_exit);
  void displace();
  void tell_status(const ask_status& question) const;

private:
  struct member {
    stream_actor stream;
    caf::actor_id id = 0;
    protocol::stream_number number = 0;
    protocol::four_tuple tuple;
    protocol::time_point since{};
    protocol::profile wire = protocol::profile::native;
    std::uint8_t index = 0;
    bool current = true; ///< false: replaced, or ended; it drains, or answers late segments
    bool idle = false;
    bool silent = false; ///< its fellows are answered and it is not
  };

  void spawn_endpoint();
  void open_upstreams();
  /// True: the stream of this segment exists, and got it.
  bool repeated(adopt_stream& request);
  void accept(protocol::accept_stream& accepted, adopt_stream& request);
  void accept(const protocol::accept_legacy& accepted, adopt_stream& request);
  void add(std::uint8_t index, stream_start& start, adopt_stream& request);
  void refuse(const adopt_stream& request);
  protocol::stream_config config_for(const adopt_stream& request) const;
  bool has_current() const;
  bool is_idle() const; ///< every stream is
  void end_in_turn();
  member* current_at(std::size_t index);
  void release_upstream();
  /// The peer's address is new to the session.
  void note_move(const protocol::ip_address& address);
  void announce();
  void note_streamless();
  void finish_if_done();

  pinned<server_session_state>* self;
  shard* where = nullptr;
  tunnel_ptr tunnel;
  caf::actor queue;
  caf::actor supervisor;
  protocol::endpoint upstream;
  /// Connected to the upstream, from the first datagram on: a handshake does not cost a socket. The
  /// session's for the rest of its life, so that the upstream sees the same peer whatever happens to
  /// streams.
  upstream_sockets sockets;
  group_registry::lease group;
  std::optional<protocol::session_proof> proof;
  std::shared_ptr<session_use> use; ///< all streams write it
  bool legacy = false;
  std::shared_ptr<protocol::fellows> fellows;      ///< of several native streams
  std::shared_ptr<protocol::answer_limit> answers; ///< of an older client
  caf::actor endpoint;
  std::vector<member> streams; ///< the actors that have not ended yet, by index
  protocol::stream_number latest = 0;
  restart_budget faults{3, std::chrono::seconds{30}};
  std::optional<protocol::time_point> streamless_since;
  protocol::time_point born{};
  protocol::endpoint peer; ///< of the newest stream
  bool closing = false;
  bool released = false; ///< its sockets, and its place among the shard's sessions
  bool told_too_large = false;
};

} // namespace tonel::actors
