#pragma once

#include "actors/interfaces.hpp"
#include "actors/reactor_actor.hpp"
#include "actors/shard.hpp"
#include "actors/supervision.hpp"
#include "protocol/hello.hpp"

#include <caf/behavior.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace tonel::actors {

struct client_session_state;

/// What a client's session is spawned with.
struct client_session_start {
  shard* where = nullptr;
  tunnel_ptr tunnel;
  sys::datagram_path path;
  std::optional<protocol::endpoint> remote; ///< nothing yet: waits for remote_resolved
  caf::actor queue, listener;
};

/// One application's session at the client: opens its streams, replaces those that are lost.
caf::behavior client_session(pinned<client_session_state>* self, const client_session_start& start);

struct client_session_state {
  static inline const char* name = "session";

  explicit client_session_state(pinned<client_session_state>* owner) : self(owner) {}
  void start(const client_session_start& s);
  void on_event(const stream_event& event);
  void on_down(const caf::down_msg& down);
  void on_timer();
  void want();
  void resolved(const protocol::endpoint& remote);
  void probe();
  void close(bool at_exit);

private:
  struct member {
    stream_actor stream;
    caf::actor_id id = 0;
    bool second_port = false;
    bool opened = false;
    explicit operator bool() const noexcept { return id != 0; }
  };
  /// One of the session's streams: the one in use, and the one that is to take its place.
  struct slot {
    member current;
    bool open = false;
    bool idle = false;
    bool silent = false; ///< a probe of it went unanswered
    member next;
    bool wanted = false; ///< a replacement is due at retry_at
    std::optional<protocol::time_point> retry_at;
    std::optional<protocol::time_point> trying_since;
    backoff wait{protocol::duration::zero(), std::chrono::milliseconds{200},
                 std::chrono::seconds{5}};
  };

  slot* slot_of(std::uint64_t stream);
  member connect(const slot& s, bool second_port);
  void open(slot& s, bool second_port);
  void lost(slot& s, bool replace_now);
  void retry(slot& s);
  void aging(slot& s, std::uint64_t stream);
  void try_new_port(slot& s, std::uint64_t stream);
  void mark_silent(slot& s, std::uint64_t stream, bool silent);
  void opened(slot& s, std::uint64_t stream);
  void promote(slot& s);
  void ended(slot& s, const stream_event& event);
  void announce();
  void give_up(slot& s);
  void arm();
  bool has_stream() const;
  void finish_if_done();

  pinned<client_session_state>* self;
  client_session_start given;
  protocol::session_id id{};
  std::vector<slot> slots;
  std::unordered_map<caf::actor_id, stream_actor> alive; ///< those that have not ended yet
  restart_budget faults{3, std::chrono::seconds{30}};
  std::optional<protocol::time_point> streamless_since;
  bool ever_open = false;
  bool closing = false;
  bool told_too_large = false;
  /// When a datagram of any stream passed; the streams write it, on the same thread.
  std::shared_ptr<protocol::time_point> last_use;
};

} // namespace tonel::actors
