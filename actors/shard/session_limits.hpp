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

/// The source that an address counts for: an IPv4 address, or an IPv6 /64, all of which one host
/// can use.
inline protocol::ip_address source_of(const protocol::ip_address& address) noexcept {
  return address.is_v6() ? address.network(64) : address;
}

/// Counts sessions or streams of each source in the whole process. A limit for each shard would not
/// do, since chance spreads a source's sessions over shards.
/// Shape:  see source_of(); an IPv6 /48, a site with 65,536 sources, may have four times a source's
///         number
/// Thread: any
class source_counts {
public:
  /// Counts one more of this source; false: it has `most` already.
  bool take(const protocol::ip_address& address, std::size_t most);
  void give_back(const protocol::ip_address& address) noexcept;

private:
  using count_map = std::map<protocol::ip_address, std::size_t, protocol::address_less>;
  static void drop(count_map& counts, const protocol::ip_address& key) noexcept;

  std::mutex mutex_;
  count_map counts_, sites_;
};

/// The limit that forbids another session or stream.
enum class refusal : std::uint8_t {
  none,
  all,     ///< the number in all
  source,  ///< the number of this source
  opening, ///< the number of those that are not open yet
  rate,    ///< the number within a second
  ports,   ///< client: no TCP port is free
  load,    ///< client: more come than the shard can open
};
inline constexpr std::size_t refusals = 7;

/// Limits a shard's sessions.
/// Shape:  bounds are the shard's share, except per_source, which is for the process
/// Owns:   nothing; `sources` outlives it, and it outlives its places
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

  /// The place of one session, given up when destroyed; or no place.
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
    /// Why there is no place.
    refusal why() const noexcept { return why_; }
    /// The session does not count as opening any more.
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

  /// Takes a place for a session of this source; no place: refused, see why().
  [[nodiscard]] place admit(const protocol::ip_address& source, protocol::time_point now);
  std::size_t opening() const noexcept { return opening_; }
  /// A session with a place was told to end: another may take a place before it has ended.
  void expect_leave() noexcept { ++leaving_; }

private:
  bounds bounds_;
  source_counts* sources_;
  protocol::rate_limit new_;
  std::size_t sessions_ = 0;
  std::size_t opening_ = 0;
  std::size_t leaving_ = 0;
};

/// Limits a server's streams in a shard, since limits on sessions do not limit the streams of each.
/// Shape:  for n sessions 4 n + 1,024 streams: few clients may have hundreds each, and as many
///         again while these are replaced; many clients on average 4
/// Thread: the shard's; outlives its leases
class stream_limits {
public:
  class place;
  /// The place of one stream, given up with the last copy.
  using lease = std::shared_ptr<const place>;

  /// b: the limits of the shard's sessions
  stream_limits(const session_limits::bounds& b, source_counts& sources)
      : most_(most(b.sessions)), per_source_(most(b.per_source)), sources_(sources),
        new_(static_cast<std::uint32_t>(most(b.per_second))) {}

  /// Takes a place for a stream of this source; null: refused, see why().
  [[nodiscard]] lease admit(const protocol::ip_address& source, protocol::time_point now);
  /// Why the last stream was refused.
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
