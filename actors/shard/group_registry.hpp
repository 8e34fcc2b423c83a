#pragma once

#include "protocol/address.hpp"
#include "protocol/legacy_groups.hpp"
#include "protocol/time.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace tonel::actors {

/// The live groups of older clients (docs/legacy.md) of one port, and the shard of each: the
/// connections of a group arrive on any queue, while all of them belong to one session.
/// Touched when a connection opens or ends, never by a datagram.
/// Thread: any; outlives its leases
class group_registry final : public protocol::group_lookup {
public:
  /// The value is the owner's key: never 0, and no other's in the process.
  using lease = protocol::group_place::lease;

  group_registry(std::uint16_t port, protocol::address_hash hash, std::size_t most)
      : port_(port), groups_(hash, most), first_of_(0, hash) {}

  /// The queue's number is its shard's. Of addresses that have too many groups one is logged in a
  /// minute.
  std::optional<protocol::group_place> place(const protocol::four_tuple& tuple, std::uint16_t token,
                                             std::uint16_t join, std::size_t queue,
                                             protocol::time_point now) override;
  /// Makes a group on this shard, or finds the one that this connection has opened: without leases it
  /// has been opened before, and `owner` has its stream or is about to.
  [[nodiscard]] std::optional<protocol::group_place> open(const protocol::four_tuple& tuple,
                                                          std::uint16_t token, std::size_t shard,
                                                          protocol::time_point now);
  std::optional<std::uint64_t> owner_of(const protocol::ip_address& source,
                                        std::uint16_t token) const;
  static std::size_t shard_of(std::uint64_t owner) noexcept { return owner >> shard_shift; }
  std::vector<protocol::legacy_group> groups_of(const protocol::ip_address& source) const override;
  bool rests(const protocol::ip_address& source, protocol::guess_kind kind,
             protocol::time_point now) const override;
  void wrong_guess(const protocol::ip_address& source, protocol::guess_kind kind,
                   std::uint32_t guess, protocol::time_point now) override;
  std::size_t size() const;

private:
  /// Guarded by the lock: that its address has too many is to be logged.
  bool says_most(const protocol::ip_address& source, protocol::time_point now);

  // 8 bits of shard (a device has 256 queues at most), 16 of port, 40 that count.
  static constexpr unsigned shard_shift = 56, port_shift = 40;

  std::uint16_t port_;
  mutable std::mutex mutex_;
  protocol::legacy_groups groups_;
  std::unordered_map<protocol::four_tuple, std::uint64_t, protocol::address_hash> first_of_;
  std::uint64_t made_ = 0;
  std::optional<protocol::time_point> told_most_;
};

/// The groups of a process: a client's tokens say nothing of the port, so each has its own.
/// Owns:   what of_port() gives, for good: a tunnel may end and another take its port
/// Thread: any
class group_registries {
public:
  /// most: groups of one port
  group_registries(protocol::address_hash hash, std::size_t most) : hash_(hash), most_(most) {}
  group_registry& of_port(std::uint16_t port);
  /// True the first time that an older client came to this port, which doesn't serve it.
  [[nodiscard]] bool knocked(std::uint16_t port);

private:
  protocol::address_hash hash_;
  std::size_t most_;
  std::mutex mutex_;
  std::unordered_map<std::uint16_t, std::unique_ptr<group_registry>> by_port_;
  std::unordered_set<std::uint16_t> knocks_;
};

} // namespace tonel::actors
