#pragma once

#include "actors/interfaces.hpp"
#include "actors/leave_order.hpp"
#include "actors/reactor_actor.hpp"
#include "actors/shard.hpp"
#include "actors/supervision.hpp"
#include "protocol/session_proof.hpp"
#include "protocol/stream.hpp"

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
  std::shared_ptr<session_use> use;
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
  void tell_status(const ask_status& question) const;

private:
  struct member {
    stream_actor stream;
    caf::actor_id id = 0;
    protocol::endpoint remote;
    protocol::profile wire = protocol::profile::native; ///< as it was opened
    unsigned port = 1;                                  ///< the how manieth of this handshake
    std::uint32_t generation = 0;
    bool joins = false; ///< the group of another
    bool opened = false;
    protocol::four_tuple tuple;
    protocol::time_point since{};
    std::uint64_t hello = 0; ///< the counter of its
    bool introduced = false; ///< the session, in that
    bool greeted = false;    ///< it was answered
    explicit operator bool() const noexcept { return id != 0; }
  };
  /// Attempts to open one stream on several ports at once; the first to get an answer is used.
  struct race {
    std::shared_ptr<caf::actor_id> winner = std::make_shared<caf::actor_id>(0);
    std::vector<member> rivals;             ///< of the slot's `next`, the youngest last
    std::optional<protocol::time_point> at; ///< then others join
    unsigned rounds = 0;
  };
  /// One of the session's streams: the one in use, and the one that is to take its place.
  struct slot {
    member current;
    bool open = false;
    bool idle = false;
    bool silent = false; ///< a probe of it went unanswered
    member next;
    std::unique_ptr<race> attempts; ///< while `next` may still be overtaken by another port
    bool wanted = false;            ///< a replacement is due at retry_at
    std::optional<protocol::time_point> retry_at;
    unsigned retry_port = 1; ///< the how manieth of its handshake that will be
    std::optional<protocol::time_point> trying_since;
    backoff wait{protocol::duration::zero(), std::chrono::milliseconds{200},
                 std::chrono::seconds{5}};
    bool waits() const noexcept { return wanted && !retry_at; } ///< for the pioneer
  };

  void draw_claims();
  slot* slot_of(std::uint64_t stream);
  member connect(const slot& s, unsigned port);

  // Attempts on several ports (client_session_race.cpp).
  void start_race(slot& s);
  void join_race(slot& s);
  bool add_rival(slot& s);
  bool remote_answers() const;
  void settle(slot& s, std::uint64_t winner);
  void hurry(const slot& greeted);
  static bool is_rival(const slot& s, std::uint64_t stream);
  bool rival_over(slot& s, std::uint64_t stream);
  void drop_rivals(slot& s);
  void open(slot& s, unsigned port = 1);
  void lost(slot& s, bool replace_now);
  void retry(slot& s);
  void aging(slot& s, std::uint64_t stream);
  void try_new_port(slot& s, std::uint64_t stream);
  void mark_silent(slot& s, std::uint64_t stream, bool silent);
  void opened(slot& s, const stream_event& event);
  void greeted(slot& s, const stream_event& event);
  void promote(slot& s);
  void ended(slot& s, const stream_event& event);
  static const char* state_of(const slot& s, const member& m);
  void announce();
  void give_up(slot& s);

  // The older dialects (client_session_wire.cpp).
  void choose_wire();
  bool decides_for_all() const;
  bool must_wait() const;
  bool single() const;
  bool group_is_well() const;
  bool is_automatic() const;
  unsigned ports_to_try(protocol::profile of) const;
  bool can_join() const;
  void legacy_opened(const member& m, const stream_event& event);
  void follow(const slot& pioneers);
  void leave_group(const member& failed);
  void stream_over(caf::actor_id stream);
  void found_legacy(slot& s, const stream_event& event);
  void not_answered(slot& s, const member& m, protocol::end_reason why);
  void on_proxied_path(slot& s, const member& m);
  void arm();
  bool is_open() const; ///< some stream is
  bool is_idle() const; ///< every open stream is
  void end_in_turn();
  bool has_stream() const;
  void finish_if_done();

  pinned<client_session_state>* self;
  client_session_start given;
  std::optional<protocol::session_claims> claims; ///< set from start() on
  std::vector<slot> slots;
  std::unordered_map<caf::actor_id, stream_actor> alive; ///< those that have not ended yet
  restart_budget faults{3, std::chrono::seconds{30}};
  std::optional<protocol::time_point> streamless_since;
  std::optional<protocol::time_point> close_at;       ///< the turn of an idle session to end
  protocol::profile wire = protocol::profile::native; ///< of the next stream
  bool guessing = false;    ///< the native SYN was refused by a host that we know nothing of
  bool no_groups = false;   ///< the server gave no token
  std::uint16_t token = 0;  ///< what further streams join the group of `leader` with; 0: none
  caf::actor_id leader = 0; ///< the group is gone with it
  std::optional<protocol::time_point> leader_asked; ///< whether it is still there
  /// The stream whose fate decides how the other slots are opened; they wait for it.
  caf::actor_id pioneer = 0;
  /// Counts pioneers: streams of an older one have another port at the upstream.
  std::uint32_t generation = 0;
  protocol::time_point born{};
  /// The path can carry nothing: closed then, and the next datagram tries anew.
  std::optional<protocol::time_point> rests_until;
  bool ever_open = false;
  bool closing = false;
  bool told_too_large = false;
  static constexpr const char* no_answer = "no answer";
  const char* obstacle = no_answer;           ///< why there was no stream when one was last tried
  std::shared_ptr<protocol::fellows> fellows; ///< of several native streams
  std::shared_ptr<session_use> use;           ///< all streams write it
};

} // namespace tonel::actors
