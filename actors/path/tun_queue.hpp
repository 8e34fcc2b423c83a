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

/// Reads and writes one queue of the TUN device.
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

private:
  struct route {
    outlet<from_device, stream_actor> stream; ///< null while waiting
    caf::actor_id id = 0;
    bool local = true;
    bool waiting = false;               ///< adopted; the acceptor holds what comes meanwhile
    bool written = false;               ///< something of it has gone out
    protocol::seq_num snd_nxt, rcv_nxt; ///< for a RST in its name, should it fail or be refused
    protocol::time_point since{};
    std::vector<inbound_segment> inbound; ///< of this wake-up
    bool queued = false;                  ///< listed in `touched`
  };
  struct served_tunnel {
    tunnel_ptr settings;
    bool told_of_older = false; ///< that one of them came
  };
  using route_map = std::unordered_map<protocol::four_tuple, route, protocol::address_hash>;

  protocol::served_ports serve();
  void take(sys::received_packet& packet);
  void sort(const protocol::packet_repr& parsed, sys::chunk&& packet);
  /// Goes on with the whole packet, if this was what it lacked.
  void take_fragment(const sys::chunk& packet);
  /// Of a stream, or of what may become one.
  bool is_wanted(const protocol::four_tuple& tuple);
  /// What overtakes its stream: a copy, since that may take a while, and slabs are few.
  void hold(const inbound_segment& in);
  void stray(const protocol::segment_repr& header, sys::chunk&& packet);
  void too_big(const protocol::packet_too_big& icmp, const sys::chunk& packet);
  void answer(protocol::stray_answer&& what, inbound_segment&& in);
  void adopt(acceptance&& accepted, inbound_segment&& proof);
  /// Tells how to serve an older client that came to a port which doesn't.
  void note_older(const protocol::segment_repr& syn);
  void reply(const protocol::segment_header& header, protocol::byte_view payload = {});
  /// RST in the name of the tuple's stream.
  void reset(const protocol::four_tuple& tuple, const route& r);
  void flush_replies();
  void arm();
  /// Remembers the last one, since batches follow each other; null: none.
  route* route_of(const protocol::four_tuple& tuple);

  pinned<tun_queue_state>* self;
  shard* where = nullptr;
  reactor::watch_id watch = 0;
  std::unique_ptr<protocol::acceptor> acceptor;
  std::unordered_map<std::uint16_t, served_tunnel> served; ///< server: by the port
  std::unique_ptr<route_map> routes;
  std::unordered_map<caf::actor_id, protocol::four_tuple> tuples;
  std::size_t adopting = 0; ///< routes that wait
  /// What opens a stream and came before the shards knew of each other.
  struct early_stream {
    acceptance accepted;
    inbound_segment proof;
  };
  std::vector<early_stream> early;
  /// What this queue waits for.
  enum class timer : std::uint8_t { acceptor, sweep, count };
  protocol::deadlines<timer> deadlines;
  protocol::reassembler fragments;
  bool told_fragments = false;
  read_depth depth;
  std::size_t read_datagrams = 0; ///< of this pass
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
