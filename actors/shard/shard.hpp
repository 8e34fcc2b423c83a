#pragma once

#include "actors/runtime/reactor.hpp"
#include "actors/runtime/spare_vectors.hpp"
#include "actors/shard/config.hpp"
#include "actors/shard/counters.hpp"
#include "actors/shard/faults.hpp"
#include "actors/shard/group_registry.hpp"
#include "actors/shard/inbound_segment.hpp"
#include "actors/shard/session_limits.hpp"
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

/// The UDP sockets of one session at the server, each with a source port of its own; one or more.
using upstream_sockets = std::vector<std::shared_ptr<sys::datagram_socket>>;

/// What all shards share; fixed before the first actor is spawned.
struct process_context {
  config settings;
  protocol::address_hash hash;
  std::array<std::uint8_t, 16> cookie_secret{};
  std::size_t shards = 1;
  /// Client: what its remotes speak.
  std::unique_ptr<shared_remotes> remotes = std::make_unique<shared_remotes>();
  /// Sessions, and the server's streams, by the address of their peer or application.
  std::unique_ptr<source_counts> sources = std::make_unique<source_counts>();
  std::unique_ptr<source_counts> stream_sources = std::make_unique<source_counts>();
  /// Random octets (getrandom); an argument, so that tests decide.
  std::function<void(protocol::byte_span)> random;
  /// A UDP socket connected to the upstream (server).
  std::function<sys::result<std::shared_ptr<sys::datagram_socket>>(const protocol::endpoint&)>
      open_upstream;
  /// The groups of older clients, of all shards (server).
  std::shared_ptr<group_registries> groups;
  fault_provoker provoke;
};

/// Stops readers while a shard has no slab free, and lets them go on together.
class reader_gate {
public:
  explicit reader_gate(reactor& loop) noexcept : loop_(loop) {}
  void pause(reactor::watch_id watch);
  void resume();

private:
  reactor& loop_;
  std::vector<reactor::watch_id> paused_;
};

/// The TCP ports of a client's own connections, so that no two of a shard share one: with random ones
/// alone, two of 200 sessions would. What comes back rests: the server, and trackers, remember a
/// connection for some seconds after its end.
/// Shape:  Linux' default range for such ports, in as many equal parts as there are shards: in turn,
///         one of two shards would have no port but odd ones, which may share a path
/// Thread: the shard's; outlives its leases
class port_pool {
public:
  /// How many there are, of all shards together: a client has no more connections at a time.
  static constexpr std::size_t in_all = 60'999 - 32'768 + 1;

  /// A port in use; free again with the last copy.
  using lease = protocol::port_lease;

  port_pool(std::size_t shard, std::size_t shards);
  /// How many are not leased.
  std::size_t free() const noexcept { return free_ + resting_.size(); }
  /// Less than one of so many is.
  bool below(std::size_t part) const noexcept { return free() * part < taken_.size(); }
  /// The first free one from a random start; null when none is.
  lease take(std::uint32_t random);
  /// Most of them are free.
  bool has_plenty() const noexcept { return free_ + resting_.size() > taken_.size() / 2; }

private:
  std::size_t shard_;
  bool wake_oldest();
  std::vector<bool> taken_; ///< leased, or at rest
  std::size_t free_;
  std::deque<std::size_t> resting_; ///< three quarters of all at most, the oldest first
};

/// What the actors of one shard borrow. Owned by the assembly; outlives every actor.
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
  std::vector<shard_tunnel> tunnels; ///< listening sockets among them: not the actors'
  counters stats;
  reader_gate gate;
  spare_vectors<sys::chunk> spare_chunks;
  spare_vectors<sys::outgoing_segment> spare_outgoing;
  spare_vectors<inbound_segment> spare_inbound;
  port_pool ports;                        ///< client
  stream_limits streams;                  ///< server
  protocol::random_rate_limit challenges; ///< challenge ACKs of all streams together (RFC 5961 §7)
  protocol::rate_limit rivals; ///< client: attempts beside another that has no answer yet
  protocol::turns endings;     ///< of idle sessions
  protocol::syn_cookie cookie; ///< server: as the acceptors of all queues have it

  /// A packet from the TUN that is not taken, n datagrams in it.
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
  /// An even share of a bound on the whole process, at least 1.
  std::size_t share(std::size_t whole) const noexcept;
  /// Client: a TCP port for a connection; null when none is free, which is logged once.
  port_pool::lease take_port();
  /// Of its sessions. opening: those of a client
  session_limits::bounds session_bounds() const noexcept;
  /// Server: what bounds streams. By default a source may have a quarter of all: those of sessions that
  /// have ended answer late segments for some seconds, and a busy client has many of these.
  session_limits::bounds stream_bounds() const noexcept;
  /// Logs that a bound keeps another session, of this address, from being; once a minute for each
  /// bound. displaced: one of less worth has made way
  void limit_reached(refusal why, const protocol::ip_address& address, bool displaced);
  /// Server: all sockets of one session; none where one could not be had, which is logged once.
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
  /// By reason, and whether others made way.
  std::array<std::array<std::optional<protocol::time_point>, 2>, refusals> told_limit_;
};

} // namespace tonel::actors
