#pragma once

#include "protocol/errc.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tonel::actors {

/// The counters of a shard besides the causes of protocol::errc.
enum class counter : std::uint8_t {
  tun_packets_in,     ///< packets read; merged ones count once
  tun_packets_joined, ///< packets put together from IP fragments
  tun_segments_in,    ///< TCP segments in them
  tun_bytes_in,       ///< octets of IP packets read
  tun_segments_out,   ///< segments written; super-segments count once
  tun_write_dropped,  ///< segments refused by the device, or its queue was full
  datagrams_in,       ///< from applications or the upstream
  datagram_bytes_in,
  datagrams_out, ///< to applications or the upstream
  datagram_bytes_out,
  udp_send_dropped,   ///< datagrams: socket buffer full, or too large
  udp_send_refused,   ///< datagrams: ECONNREFUSED and the like
  pending_dropped,    ///< datagrams that waited for a session: too many, or too old
  openings_failed,    ///< client: attempts, and time, in which nothing was opened that was wanted
  session_refused,    ///< sessions or streams refused: a limit, or no descriptor or port left
  direct_path_full,   ///< client: connections that the direct path had no room for
  sessions_displaced, ///< sessions ended to make place for others
  syns_deferred,      ///< SYNs not answered, since the shard was behind
  sessions_opened,    ///< client: a server has answered; server: the upstream's socket is open
  sessions_closed,    ///< of those
  sessions_moved,     ///< server: a hello came from another address than earlier ones
  streams_opened,
  streams_ended,   ///< of those, in whatever way
  streams_failed,  ///< by a fault of the program
  slab_pool_empty, ///< times that a reader had to wait for slabs
  count_,
};
inline constexpr std::size_t counter_count = static_cast<std::size_t>(counter::count_);
const char* to_string(counter c) noexcept;

/// The counters of one shard.
/// Thread: the shard's writes; any reads
class counters {
public:
  void add(counter c, std::uint64_t n = 1) noexcept { bump(own_[static_cast<std::size_t>(c)], n); }
  void add(protocol::errc e, std::uint64_t n = 1) noexcept {
    bump(dropped_[static_cast<std::size_t>(e)], n);
  }
  std::uint64_t get(counter c) const noexcept {
    return own_[static_cast<std::size_t>(c)].load(std::memory_order_relaxed);
  }
  std::uint64_t get(protocol::errc e) const noexcept {
    return dropped_[static_cast<std::size_t>(e)].load(std::memory_order_relaxed);
  }

private:
  // One writer: a plain load and store instead of a locked addition.
  static void bump(std::atomic<std::uint64_t>& a, std::uint64_t n) noexcept {
    a.store(a.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::array<std::atomic<std::uint64_t>, counter_count> own_{};
  std::array<std::atomic<std::uint64_t>, protocol::errc_count> dropped_{};
};

/// Counts what opens, and what of that has ended: at the latest when this is destroyed, however that
/// comes about. So a reader that asks for the ends first never has more of them.
template <counter Opened, counter Ended> class open_count {
public:
  open_count() noexcept = default;
  open_count(const open_count&) = delete;
  open_count& operator=(const open_count&) = delete;
  ~open_count() { ended(); }

  /// Counts once; `where` outlives this.
  void opened(counters& where) noexcept {
    if (where_ != nullptr) return;
    where_ = &where;
    where.add(Opened);
  }
  void ended() noexcept {
    if (where_ != nullptr) std::exchange(where_, nullptr)->add(Ended);
  }

private:
  counters* where_ = nullptr;
};
using counted_sessions = open_count<counter::sessions_opened, counter::sessions_closed>;
using counted_streams = open_count<counter::streams_opened, counter::streams_ended>;

/// Name of the counter of lost log lines, which belongs to the process, not to a shard.
inline constexpr const char* log_dropped_name = "log_dropped";

/// "name value" for each counter that is not zero, summed over the shards.
std::vector<std::string> counter_lines(const std::vector<const counters*>& shards,
                                       std::uint64_t log_dropped = 0);

} // namespace tonel::actors
