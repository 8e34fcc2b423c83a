#pragma once

#include "actors/runtime/reactor.hpp"
#include "actors/runtime/spare_vectors.hpp"
#include "actors/shard/config.hpp"
#include "actors/shard/counters.hpp"
#include "actors/shard/direct_streams.hpp"
#include "actors/shard/estates.hpp"
#include "actors/shard/faults.hpp"
#include "actors/shard/group_registry.hpp"
#include "actors/shard/inbound_segment.hpp"
#include "actors/shard/session_limits.hpp"
#include "actors/shard/session_memory.hpp"
#include "actors/shard/shard_tunnel.hpp"
#include "actors/shard/shared_remotes.hpp"
#include "protocol/acceptor.hpp"
#include "protocol/address.hpp"
#include "protocol/bytes.hpp"
#include "protocol/rate_limit.hpp"
#include "protocol/session/session_effects.hpp"
#include "system/datagram_socket.hpp"
#include "system/packet_device.hpp"
#include "system/slab.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace tonel::actors {

/// The context that all shards share; fixed before the first actor is spawned.
struct process_context {
  config settings;
  protocol::address_hash hash;
  std::array<std::uint8_t, 16> cookie_secret{};
  std::size_t shards = 1;
  /// Client: what is known of remotes.
  std::unique_ptr<shared_remotes> remotes = std::make_unique<shared_remotes>();
  /// Client: what its sessions can be gone on with.
  std::shared_ptr<session_memory> memory =
      std::make_shared<session_memory>(settings.bounds.max_sessions);
  /// Counts of sessions, and of the server's streams, by source.
  std::unique_ptr<source_counts> sources = std::make_unique<source_counts>();
  std::unique_ptr<source_counts> stream_sources = std::make_unique<source_counts>();
  /// Fills with random octets (host::random).
  std::function<void(protocol::byte_span)> random;
  /// Server: opens a UDP socket connected to the upstream.
  std::function<sys::result<std::shared_ptr<sys::datagram_socket>>(const protocol::endpoint&)>
      open_upstream;
  /// Server: the legacy groups of all shards.
  std::shared_ptr<group_registries> groups;
  fault_provoker provoke;
  /// Client on the direct path; null: another one.
  std::shared_ptr<direct_streams> direct;
};

/// Pauses readers while a shard has no free slab, and resumes them together.
class reader_gate {
public:
  explicit reader_gate(reactor& loop) noexcept : loop_(loop) {}
  void pause(reactor::watch_id watch);
  void resume();

private:
  reactor& loop_;
  std::vector<reactor::watch_id> paused_;
};

/// The TCP ports for a client's streams, so that no two streams of a shard share one; with random
/// ports, two of 200 sessions would. A returned port rests for some seconds, since server and
/// trackers remember its connection.
/// Shape:  Linux' default range of local ports, in an equal part for each shard; not in turn, since
///         one of two shards would only have odd ports, which may share a path
/// Owns:   nothing; outlives its leases
/// Thread: the shard's
class port_pool {
public:
  /// The number of ports of all shards together: the most streams of a client.
  static constexpr std::size_t in_all = 60'999 - 32'768 + 1;

  /// A port in use, returned with the last copy.
  using lease = protocol::port_lease;

  port_pool(std::size_t shard, std::size_t shards);
  /// The number of ports that are not leased.
  std::size_t free() const noexcept { return free_ + resting_.size(); }
  /// Whether less than one `part`-th of all ports is free.
  bool below(std::size_t part) const noexcept { return free() * part < taken_.size(); }
  /// Leases the first free port from a random start; null: none is free.
  lease take(std::uint32_t random);
  /// Whether more than half of the ports are free.
  bool has_plenty() const noexcept { return free_ + resting_.size() > taken_.size() / 2; }

private:
  std::size_t shard_;
  bool wake_oldest();
  std::vector<bool> taken_; ///< leased, or at rest
  std::size_t free_;
  std::deque<std::size_t> resting_; ///< at most three quarters of all, the oldest first
};

/// The objects that the actors of one shard share.
/// Owns:   nothing of `process`, loop, pool and device; the assembly owns it, and it outlives every
///         actor
/// Thread: the shard's
struct shard {
  shard(std::size_t number, const process_context& context, reactor& r, sys::slab_pool& p,
        sys::packet_device& device);

  std::size_t index;
  const process_context& process;
  reactor& loop;
  sys::slab_pool& pool;
  sys::slab_writer slabs;
  sys::packet_device& tun;
  std::vector<shard_tunnel> tunnels; ///< with the listening sockets, which outlive actors
  counters stats;
  reader_gate gate;
  spare_vectors<sys::chunk> spare_chunks;
  spare_vectors<sys::outgoing_segment> spare_outgoing;
  spare_vectors<inbound_segment> spare_inbound;
  port_pool ports;                        ///< client
  stream_limits streams;                  ///< server
  estates left;                           ///< server: by sessions that have failed
  bool had_queue = false;                 ///< the next one takes the place of one that failed
  protocol::random_rate_limit challenges; ///< challenge ACKs of all streams (RFC 5961 §7)
  protocol::rate_limit rivals;            ///< client: attempts beside an unanswered one
  protocol::turns endings;                ///< spreads the ends of idle sessions
  protocol::rate_limit life_lines;        ///< lines of the log on sessions that come and go
  protocol::syn_cookie cookie;            ///< server: the same as in the acceptors of all queues

  /// Counts a dropped packet of the TUN, with n datagrams.
  void drop(const sys::chunk& packet, protocol::errc why, std::uint64_t n = 1) noexcept {
    stats.add(why, n);
    tun.dropped(packet, protocol::to_string(why));
  }
  void drop(const sys::chunk& packet, counter why) noexcept {
    stats.add(why);
    tun.dropped(packet, to_string(why));
  }
  /// The tunnel's entry, or null.
  shard_tunnel* find(const tunnel_ptr& tunnel) noexcept;
  /// How that tunnel is doing; never null, though nobody looks at one of a tunnel that is no more.
  std::shared_ptr<tunnel_health> health_of(const tunnel_ptr& tunnel);
  /// This shard's even share of a limit on the process, at least 1.
  std::size_t share(std::size_t whole) const noexcept;
  /// Client: leases a TCP port for a stream; null: none is free, which is logged once.
  port_pool::lease take_port();
  /// The limits on its sessions. `opening` is for clients
  session_limits::bounds session_bounds() const noexcept;
  /// Server: the limits on its streams. By default a source may have a quarter of all, since
  /// streams of ended sessions answer late segments for some seconds, and a busy client has many.
  session_limits::bounds stream_bounds() const noexcept;
  /// Logs that a limit forbids another session, of this address; once a minute for each limit.
  /// displaced: a session that is worth less has ended for it
  void limit_reached(refusal why, const protocol::ip_address& address, bool displaced);
  /// Server: opens all sockets of one session; empty: one could not be opened, which is logged
  /// once.
  upstream_sockets open_upstreams(const tunnel_config& tunnel, const protocol::endpoint& upstream);
  template <class Integer> Integer random() const {
    std::array<std::uint8_t, sizeof(Integer)> octets{};
    process.random(octets);
    Integer value = 0;
    for (const auto o : octets)
      value = static_cast<Integer>((std::uint64_t{value} << 8) | o);
    return value;
  }

private:
  bool told_no_socket_ = false, told_no_port_ = false;
  /// Indexed by refusal, and by `displaced`.
  std::array<std::array<std::optional<protocol::time_point>, 2>, refusals> told_limit_;
};

} // namespace tonel::actors
