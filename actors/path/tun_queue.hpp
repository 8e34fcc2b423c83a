#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/path/read_depth.hpp"
#include "actors/runtime/inlet.hpp"
#include "actors/runtime/reactor_actor.hpp"
#include "actors/shard/shard.hpp"
#include "protocol/acceptor.hpp"
#include "protocol/deadlines.hpp"
#include "protocol/reassembler.hpp"

#include <caf/behavior.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace tonel::actors {

struct tun_queue_state;

/// The actor of one queue of the TUN device: reads packets and routes them to streams, writes
/// segments, and answers segments of no stream.
caf::behavior tun_queue(pinned<tun_queue_state>* self, shard* where);

struct tun_queue_state : inlets<to_device> {
  static inline const char* name = "tun_queue";

  explicit tun_queue_state(pinned<tun_queue_state>* owner) : self(owner) {}
  void start(shard* s);
  void on(const fd_event&) { read(); }
  void on(to_device& batch) override { write(batch); }
  void read();
  void write(to_device& batch);
  void add_stream(const stream_up& up);
  void refuse(const protocol::four_tuple& tuple);
  void stream_gone(const caf::down_msg& down);
  void on_timer();
  void set_peers(peers_changed& peers);
  void set_ports();
  void renew();

private:
  struct route {
    outlet<from_device, stream_actor> stream; ///< null while waiting
    caf::actor_id id = 0;
    bool local = true;
    bool waiting = false;               ///< adopted; the acceptor holds its segments meanwhile
    bool written = false;               ///< a segment of it was written
    protocol::seq_num snd_nxt, rcv_nxt; ///< for a RST, if it fails or is refused
    protocol::time_point since{};
    std::vector<inbound_segment> inbound; ///< segments of this wake-up
    bool queued = false;                  ///< listed in `touched`
  };
  struct served_tunnel {
    tunnel_ptr settings;
    bool told_of_older = false; ///< a legacy client was logged
  };
  using route_map = std::unordered_map<protocol::four_tuple, route, protocol::address_hash>;

  protocol::served_ports serve();
  void take(sys::received_packet& packet);
  void sort(const protocol::packet_repr& parsed, sys::chunk&& packet);
  /// Takes a fragment, and goes on with the whole packet if it was the last one.
  void take_fragment(const sys::chunk& packet);
  /// Whether the tuple is that of a stream, or may become one.
  bool is_wanted(const protocol::four_tuple& tuple);
  /// Holds a copy of a segment that overtakes its stream; a copy, since slabs are few.
  void hold(const inbound_segment& in);
  void stray(const protocol::segment_repr& header, sys::chunk&& packet);
  template <class Icmp> void pass_on(const Icmp& icmp, const sys::chunk& packet);
  void answer(protocol::stray_answer&& what, inbound_segment&& in);
  void adopt(acceptance&& accepted, inbound_segment&& proof);
  /// Logs, once, how to serve legacy clients at this port.
  void note_proxy(const protocol::four_tuple& tuple);
  void note_older(const protocol::segment_repr& syn);
  void reply(const protocol::segment_header& header, protocol::byte_view payload = {});
  /// Sends a RST for the tuple's stream.
  void reset(const protocol::four_tuple& tuple, const route& r);
  void flush_replies();
  void arm();
  /// The route of a tuple; null: none. Remembers the last one, since many segments of one follow.
  route* route_of(const protocol::four_tuple& tuple);

  pinned<tun_queue_state>* self;
  shard* where = nullptr;
  std::optional<reactor::watch_id> watch; ///< nothing: the device is gone
  std::unique_ptr<protocol::acceptor> acceptor;
  std::unordered_map<std::uint16_t, served_tunnel> served; ///< server: indexed by port
  std::unique_ptr<route_map> routes;
  /// Entries of `routes` with a stream, by its id.
  std::unordered_map<caf::actor_id, const route_map::value_type*> by_stream;
  std::size_t adopting = 0; ///< number of waiting routes
  /// Until then a segment of no stream is perhaps of one that is not known again yet.
  protocol::time_point knows_all_at{};
  /// A segment that opens a stream, and came before the shards knew each other.
  struct early_stream {
    acceptance accepted;
    inbound_segment proof;
  };
  std::vector<early_stream> early;
  /// The timers of this queue.
  enum class timer : std::uint8_t { acceptor, sweep, count };
  protocol::deadlines<timer> deadlines;
  protocol::reassembler fragments;
  bool told_fragments = false;
  read_depth depth;
  std::size_t read_datagrams = 0; ///< read in this pass
  bool traces = false;            ///< segments of this wake-up are logged
  std::vector<route*> touched;
  protocol::four_tuple last_tuple;
  route* last_route = nullptr;
  std::vector<sys::received_packet> packets;
  to_device replies;
  std::vector<tun_queue_actor> queues;
  std::vector<shard_supervisor_actor> supervisors;
  bool offload_was_on = false;
};

} // namespace tonel::actors
