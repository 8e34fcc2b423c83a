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

/// Context of a client's stream only. Separate, since a server has many thousand streams.
struct client_stream_context {
  sys::datagram_path path;                     ///< the application
  std::optional<protocol::time_point> ages_at; ///< when to report `aging`
  /// Shared by the attempts to open one stream on several ports; holds the first one answered. The
  /// others then end without sending anything. Null: the only attempt.
  std::shared_ptr<protocol::stream_race> race;
  port_pool::lease port; ///< local port of the tuple
};

/// What a stream actor keeps as long as it lives.
struct stream_context {
  shard* where = nullptr;
  tunnel_ptr tunnel;
  role side = role::client;
  protocol::stream_number number = 0; ///< its number in the session
  caf::actor session;
  protocol::time_point ends_at =
      protocol::time_point::max();   ///< server: when to reset it, if it still exists
  std::shared_ptr<session_use> used; ///< shared by the session's streams
  std::shared_ptr<client_stream_context> of_client;
  stream_limits::lease place;  ///< server
  group_registry::lease first; ///< server: held by the first stream of a legacy group
};

/// The arguments of stream().
struct stream_start {
  stream_context context;
  std::optional<protocol::stream> machine;  ///< always set; optional for its default constructor
  caf::actor queue;                         ///< the shard's tun_queue
  caf::actor sink;                          ///< listener or endpoint; null: ask when datagrams come
  std::optional<inbound_segment> proof;     ///< server: the segment that opened it
  std::vector<protocol::held_segment> held; ///< server: segments that overtook the hello
};

struct stream_state;

/// The actor of one stream: the shell around a protocol::stream, whose effects it runs.
caf::behavior stream(pinned<stream_state>* self, stream_start start);

struct stream_state : inlets<from_device, app_to_wire> {
  static inline const char* name = "stream";

  explicit stream_state(pinned<stream_state>* owner) : self(owner) {}
  void start(stream_start& s);
  void on(from_device& batch) override;
  void on(app_to_wire& batch) override;
  void on(timer_event event);
  void set_sink(const sink_actor& to);
  void set_queue(const tun_queue_actor& to);
  void too_big(const protocol::packet_too_big& icmp);
  void undelivered(protocol::packet_undelivered icmp);
  void close(bool at_exit);
  void reset();
  void supersede();
  void probe();
  void session_gone();

private:
  using held_list = std::vector<protocol::held_segment>;

  protocol::stream& machine() noexcept { return *connection; }
  /// The attempts that it is one of; null: the only attempt.
  const protocol::stream_race* race() const noexcept {
    return given.of_client ? given.of_client->race.get() : nullptr;
  }
  /// Runs the effects of an event without segment, then finish().
  void run(const protocol::effects& effects);
  void run(const protocol::effects& effects, const inbound_segment* in);
  void take(const inbound_segment& in);
  void hold(const inbound_segment& in);
  void replay();
  /// Reports an effect to the session, if it concerns the session.
  void tell(const protocol::effect& e);
  void tell(protocol::stream_report::kind what);
  void put(const protocol::send_segment& out);
  /// Lets tests provoke a fault at this place.
  void provoke(const char* place, const sys::chunk& datagrams) const;
  /// Encrypts or decrypts in place, since the octets of a chunk belong to the batch that carries
  /// it.
  void cipher(const sys::chunk& datagrams) const;
  /// Drops datagrams that are too large; false: none is left.
  bool fit(sys::chunk& datagrams);
  /// Notes that datagrams have passed.
  void note_use(std::uint8_t session_use::*way, std::size_t datagrams);
  /// Sends the segments and datagrams of the event, and arms the timer.
  void finish();

  // Kept small: there are many thousand streams.
  pinned<stream_state>* self;
  stream_context given;
  std::optional<protocol::stream> connection; ///< empty until start()
  outlet<to_device, tun_queue_actor> queue;
  outlet<wire_to_app, sink_actor> sink;
  to_device out;
  std::vector<sys::chunk> in;
  std::unique_ptr<held_list> held; ///< mostly none
  counted_streams counted;
  bool told_too_large = false;
  bool said_ended = false;
  bool asked_for_sink = false;
  bool over = false;
};

} // namespace tonel::actors
