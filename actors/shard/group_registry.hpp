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

/// The live legacy groups (docs/legacy.md) of one port, with the shard of each: connections of a
/// group arrive on any queue, but belong to one session. Used when a connection opens or ends,
/// never for a datagram.
/// Owns:   nothing; outlives its leases
/// Thread: any
class group_registry final : public protocol::group_lookup {
public:
  /// The value is the session's key: not 0, and unique in the process.
  using lease = protocol::group_place::lease;

  group_registry(std::uint16_t port, protocol::address_hash hash, std::size_t most)
      : port_(port), groups_(hash, most), first_of_(0, hash) {}

  /// queue: its number is that of its shard. An address with too many groups is logged, once a
  ///        minute.
  std::optional<protocol::group_place> place(const protocol::four_tuple& tuple, std::uint16_t token,
                                             std::uint16_t join, std::size_t queue,
                                             protocol::time_point now) override;
  /// Makes a group on this shard, or finds the group that this connection has opened: then without
  /// leases, and `owner` has its stream or is about to.
  [[nodiscard]] std::optional<protocol::group_place> open(const protocol::four_tuple& tuple,
                                                          std::uint16_t token, std::size_t shard,
                                                          protocol::time_point now);
  /// The key of the session that has this group; none: there is none.
  std::optional<std::uint64_t> owner_of(const protocol::ip_address& source,
                                        std::uint16_t token) const;
  /// The number of the shard that has the session of this key.
  static std::size_t shard_of(std::uint64_t owner) noexcept { return owner >> shard_shift; }
  std::vector<protocol::legacy_group> groups_of(const protocol::ip_address& source) const override;
  bool rests(const protocol::ip_address& source, protocol::guess_kind kind,
             protocol::time_point now) const override;
  void wrong_guess(const protocol::ip_address& source, protocol::guess_kind kind,
                   std::uint32_t guess, protocol::time_point now) override;
  std::size_t size() const;

private:
  /// Whether to log that an address has too many groups. Called under the lock.
  bool says_most(const protocol::ip_address& source, protocol::time_point now);

  // A key has 8 bits of shard (a device has 256 queues at most), 16 of port, 40 of a count.
  static constexpr unsigned shard_shift = 56, port_shift = 40;

  std::uint16_t port_;
  mutable std::mutex mutex_;
  protocol::legacy_groups groups_;
  std::unordered_map<protocol::four_tuple, std::uint64_t, protocol::address_hash> first_of_;
  std::uint64_t made_ = 0;
  std::optional<protocol::time_point> told_most_;
};

/// The groups of a process, a registry for each port, since tokens do not name the port.
/// Owns:   the registries, for good: a tunnel may end and another take its port
/// Thread: any
class group_registries {
public:
  /// most: groups of one port
  group_registries(protocol::address_hash hash, std::size_t most) : hash_(hash), most_(most) {}
  /// The registry of a port, made at the first call.
  group_registry& of_port(std::uint16_t port);
  /// True the first time that a legacy client came to this port, which does not serve it.
  [[nodiscard]] bool knocked(std::uint16_t port);

private:
  protocol::address_hash hash_;
  std::size_t most_;
  std::mutex mutex_;
  std::unordered_map<std::uint16_t, std::unique_ptr<group_registry>> by_port_;
  std::unordered_set<std::uint16_t> knocks_;
};

} // namespace tonel::actors
