#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/runtime/inlet.hpp"
#include "actors/runtime/reactor_actor.hpp"
#include "actors/shard/leave_order.hpp"
#include "actors/shard/shard.hpp"
#include "protocol/session/session_effects.hpp"
#include "protocol/stream.hpp"

#include <caf/behavior.hpp>

#include <memory>
#include <optional>
#include <vector>

namespace tonel::actors {

/// What a client's stream knows besides. Apart, since a server has many thousand streams.
struct client_stream_context {
  sys::datagram_path path;                     ///< the application
  std::optional<protocol::time_point> ages_at; ///< then it says so
  /// Which of several attempts on as many ports got an answer first, once one has; the others end without
  /// a word then. Shared by these.
  std::shared_ptr<protocol::stream_race> race;
  port_pool::lease port; ///< that of the tuple
};

/// What a stream actor knows for all its life.
struct stream_context {
  shard* where = nullptr;
  tunnel_ptr tunnel;
  role side = role::client;
  protocol::stream_number number = 0; ///< its session's
  caf::actor session;
  std::optional<protocol::time_point> ends_at; ///< then it is reset, if it still is there
  std::shared_ptr<session_use> used;           ///< the session's
  std::shared_ptr<client_stream_context> of_client;
  stream_limits::lease place;  ///< server
  group_registry::lease first; ///< server: of the first of an older client's group
};

/// What a stream actor is spawned with.
struct stream_start {
  stream_context context;
  std::optional<protocol::stream>
      machine;      ///< always set; an optional for want of a stream without a start
  caf::actor queue; ///< its shard's tun_queue
  caf::actor sink;  ///< listener or endpoint; null: asked for when datagrams come
  std::optional<inbound_segment> proof;     ///< server: what opened it
  std::vector<protocol::held_segment> held; ///< server: what overtook the hello
};

struct stream_state;

/// The shell around one protocol::stream: runs its effects.
caf::behavior stream(pinned<stream_state>* self, stream_start start);

struct stream_state : inlets<from_device, app_to_wire> {
  static inline const char* name = "stream";

  explicit stream_state(pinned<stream_state>* owner) : self(owner) {}
  void start(stream_start& s);
  void on(from_device& batch) override;
  void on(app_to_wire& batch) override;
  void on(timer_event event);
  void set_sink(const sink_actor& to);
  void too_big(const protocol::packet_too_big& icmp);
  void close(bool at_exit);
  void reset();
  void supersede();
  void probe();
  void session_gone();

private:
  protocol::stream& machine() noexcept { return *connection; }
  /// The attempts that it is one of; null: none besides.
  const protocol::stream_race* race() const noexcept {
    return given.of_client ? given.of_client->race.get() : nullptr;
  }
  /// Runs the effects of an event that was not a segment, then sends and arms.
  void run(const protocol::effects& effects);
  void run(const protocol::effects& effects, const inbound_segment* in);
  void take(const inbound_segment& in);
  void hold(const inbound_segment& in);
  void replay();
  /// The session, of an effect that is its business.
  void tell(const protocol::effect& e);
  void tell(protocol::stream_report::kind what);
  void put(const protocol::send_segment& out);
  /// Encrypts or decrypts in place: the octets of a chunk belong to the batch that carries it.
  void provoke(const char* place, const sys::chunk& datagrams) const;
  void cipher(const sys::chunk& datagrams) const;
  /// Drops what exceeds the largest datagram; false: nothing is left.
  bool fit(sys::chunk& datagrams);
  /// That so many datagrams have passed.
  void note_use(std::uint8_t session_use::*way, std::size_t datagrams);
  /// Sends what the event made, and arms the timer.
  void finish();

  // There is one of this for each of many thousand streams: what is not needed is not kept.
  pinned<stream_state>* self;
  stream_context given;
  std::optional<protocol::stream> connection; ///< set from start() on
  outlet<to_device, tun_queue_actor> queue;
  outlet<wire_to_app, sink_actor> sink;
  to_device out;
  std::vector<sys::chunk> in;
  std::vector<protocol::held_segment> held;
  bool told_too_large = false;
  bool said_ended = false;
  bool asked_for_sink = false;
  bool over = false;
};

} // namespace tonel::actors
