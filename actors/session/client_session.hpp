#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/runtime/reactor_actor.hpp"
#include "actors/session/life_events.hpp"
#include "actors/session/local_ends.hpp"
#include "actors/shard/leave_order.hpp"
#include "actors/shard/shard.hpp"
#include "protocol/session/client_session.hpp"

#include <caf/behavior.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tonel::actors {

struct client_session_state;

/// The arguments of client_session().
/// Owns: the shard outlives the actor; `use` is shared with the session's streams
struct client_session_start {
  shard* where = nullptr;
  tunnel_ptr tunnel;
  sys::datagram_path path;
  std::vector<protocol::endpoint> remotes; ///< none: not resolved yet, remote_resolved brings them
  caf::actor queue, listener; ///< the shard's tun_queue; the udp_listener of the application
  caf::actor supervisor;      ///< the shard's
  std::shared_ptr<session_use> use;
  client_place place;
  std::shared_ptr<tunnel_health> health; ///< the tunnel's
};

/// The actor of one application's session at the client: the shell around a
/// protocol::client_session, whose effects it runs.
caf::behavior client_session(pinned<client_session_state>* self, const client_session_start& start);

struct client_session_state : private protocol::client_resources {
  static inline const char* name = "session";

  explicit client_session_state(pinned<client_session_state>* owner) : self(owner) {}
  client_session_state(const client_session_state&) = delete;
  client_session_state& operator=(const client_session_state&) = delete;
  /// However it ends, its streams go with it.
  ~client_session_state() override;
  void start(const client_session_start& s);
  /// Makes `call(machine, now)`, runs the effects that it returns and arms the timer.
  template <class Call> void step(const Call& call);
  void on_report(const protocol::stream_report& report);
  void on_down(const caf::down_msg& down);
  void set_queue(const queue_changed& changed);
  void close(const close_session& how);
  void resolved(const remote_resolved& found);
  void readdress();
  void set_listener(const listener_changed& changed);
  void tell_status(const ask_status& question) const;

private:
  /// A stream whose actor has not ended yet.
  struct child {
    protocol::stream_number number = 0;
    stream_actor stream;
    caf::actor_id id = 0;
    protocol::four_tuple tuple;
  };

  protocol::local_end take_local_end(const protocol::endpoint& remote) override {
    return actors::take_local_end(*given.where, remote);
  }
  bool may_race(protocol::time_point now) override;
  protocol::session_claims draw_claims() override;
  protocol::time_point last_datagram() const override { return given.use->last; }
  protocol::remote_knowledge& remotes() override { return *given.where->process.remotes; }
  protocol::turns& endings() override { return given.where->endings; }
  bool take_turn(protocol::time_point now) override { return given.health->take_turn(now); }
  protocol::time_point next_turn() const override { return given.health->next_turn(); }
  bool awaits_reply() const override { return given.health->awaits_reply(); }
  bool has_sent() const override { return given.use->sent != 0; }
  bool had_reply() const override { return given.use->got != 0; }

  const child* find(protocol::stream_number number) const;
  void run(const protocol::client_effects& effects);
  void open(const protocol::open_stream& how);
  void announce(const protocol::announce_streams& now);
  void note_carrying(bool now_does);
  void opened();
  void rotated(const child& before);
  /// The remote's addresses, that of an earlier session's server first.
  std::vector<protocol::endpoint> preferred(std::vector<protocol::endpoint> remotes) const;
  /// A server has answered the stream: others can go on with the session.
  void remember(protocol::stream_number greeted);
  session_title title() const;
  void closed(const char* why);
  void log(const protocol::session_remark& what) const;

  pinned<client_session_state>* self;
  client_session_start given;
  std::optional<protocol::client_session> machine; ///< empty until start()
  std::vector<child> streams;
  protocol::announce_streams announced;   ///< the last one
  std::string memory_key;                 ///< names the session in the memory
  std::optional<protocol::endpoint> home; ///< of an earlier session's server
  bool looked_back = false;               ///< for an earlier session
  bool leaving = false;                   ///< it stays at its server
  bool carrying = false;                  ///< told to the tunnel's health
  bool opening_told = false;              ///< that it opened was logged, or too many did
  bool legacy = false;                    ///< it was opened in such a dialect
  bool life_told = false;                 ///< it was logged
  counted_sessions counted;
  protocol::standing stood = protocol::standing::opening; ///< when that was logged last
  protocol::time_point born{};
};

} // namespace tonel::actors
