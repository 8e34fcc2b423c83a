#pragma once

#include "protocol/address.hpp"
#include "protocol/rate_limit.hpp"
#include "protocol/time.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace tonel::actors {

/// Whom an address is counted with: an IPv6 host has a whole /64 to choose from.
inline protocol::ip_address source_of(const protocol::ip_address& address) noexcept {
  return address.is_v6() ? address.network(64) : address;
}

/// How many each source has in the whole process. Chance deals out its sessions to the shards, so
/// that with a share of the bound for each shard some would be refused long before it is reached.
/// Shape:  a source is an IPv4 address or an IPv6 /64; a /48, of which sites have 65,536 of these, may
///         have four times as many as each
/// Thread: any
class source_counts {
public:
  /// One more of this source; false: it has `most` already.
  bool take(const protocol::ip_address& address, std::size_t most);
  void give_back(const protocol::ip_address& address) noexcept;

private:
  using count_map = std::map<protocol::ip_address, std::size_t, protocol::address_less>;
  static void drop(count_map& counts, const protocol::ip_address& key) noexcept;

  std::mutex mutex_;
  count_map counts_, sites_;
};

/// Which bound keeps another from being.
enum class refusal : std::uint8_t {
  none,
  all,     ///< there are as many as may be
  source,  ///< of this source
  opening, ///< too many are not open yet
  rate,    ///< too many came within this second
  ports,   ///< client: no TCP port is left
  load,    ///< client: more come than the shard can open
};
inline constexpr std::size_t refusals = 7;

/// Counts a shard's sessions and says whether one more may be.
/// Shape:  bounds are the shard's share, but for per_source, which is the process'
/// Owns:   nothing; `sources` outlives it, and it its places
class session_limits {
public:
  struct bounds {
    std::size_t sessions = 0;
    std::size_t per_source = 0;
    std::size_t opening = 0;
    std::uint32_t per_second = 0;
  };
  session_limits(const bounds& b, source_counts& sources)
      : bounds_(b), sources_(&sources), new_(b.per_second) {}

  /// What one session takes up until this is destroyed; or nothing.
  class place {
  public:
    place() = default;
    place(place&& other) noexcept { swap(other); }
    place& operator=(place&& other) noexcept {
      place{std::move(other)}.swap(*this);
      return *this;
    }
    ~place();
    explicit operator bool() const noexcept { return limits_ != nullptr; }
    /// Of none: why.
    refusal why() const noexcept { return why_; }
    /// It is none of those that are opening any more.
    void opened() noexcept;
    bool has_opened() const noexcept { return opened_; }

  private:
    friend session_limits;
    explicit place(refusal why) noexcept : why_(why) {}
    place(session_limits& l, const protocol::ip_address& source) : limits_(&l), source_(source) {}
    void swap(place& other) noexcept;

    session_limits* limits_ = nullptr;
    protocol::ip_address source_;
    bool opened_ = false;
    refusal why_ = refusal::none;
  };

  /// A place for a session of this source; none: refused.
  [[nodiscard]] place admit(const protocol::ip_address& source, protocol::time_point now);
  std::size_t opening() const noexcept { return opening_; }
  /// One of those that have a place has been told to go: another may come before it is gone.
  void expect_leave() noexcept { ++leaving_; }

private:
  bounds bounds_;
  source_counts* sources_;
  protocol::rate_limit new_;
  std::size_t sessions_ = 0;
  std::size_t opening_ = 0;
  std::size_t leaving_ = 0;
};

/// Counts a shard's streams (server) and says whether one more may be: bounds on sessions say nothing
/// of how many streams a peer's have.
/// Shape:  where n sessions may be, so may 4 n + 1,024 streams: few peers may have hundreds each, and
///         as many again while these are replaced; many peers on average 4
/// Thread: the shard's; outlives its leases
class stream_limits {
public:
  class place;
  /// What a stream takes up until the last copy is gone.
  using lease = std::shared_ptr<const place>;

  /// b: those of the shard's sessions
  stream_limits(const session_limits::bounds& b, source_counts& sources)
      : most_(most(b.sessions)), per_source_(most(b.per_source)), sources_(sources),
        new_(static_cast<std::uint32_t>(most(b.per_second))) {}

  /// For a stream of this source; null: refused.
  [[nodiscard]] lease admit(const protocol::ip_address& source, protocol::time_point now);
  /// Why one was refused last.
  refusal why() const noexcept { return why_; }
  static constexpr std::size_t most(std::size_t sessions) noexcept { return 4 * sessions + 1'024; }

private:
  std::size_t most_, per_source_;
  source_counts& sources_;
  protocol::rate_limit new_;
  std::size_t streams_ = 0;
  refusal why_ = refusal::none;
};

} // namespace tonel::actors
