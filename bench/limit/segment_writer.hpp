#pragma once

#include "bench/limit/wire.hpp"
#include "bench/traffic/net.hpp"

#include <sys/uio.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

namespace tonel::bench {

/// Nanoseconds of CLOCK_MONOTONIC, read once a wake-up.
using instant = std::uint64_t;

enum class phase : std::uint8_t { opening, answered, open };

/// One stream and its UDP peer.
struct session {
  tuple path;
  endpoint peer; ///< client: the application; server: not used, its socket is connected
  int udp = -1;  ///< the socket that payloads go out of
  phase state = phase::opening;
  std::uint32_t iss = 0;
  std::uint32_t snd_nxt = 0;
  std::uint32_t rcv_nxt = 0; ///< end of the highest segment received
  std::uint32_t acked = 0;   ///< the last acknowledgement sent
  instant acked_at = 0;
  instant tried_at = 0;
  std::uint16_t ip_id = 0;
  std::uint32_t address_sum = 0; ///< of the addresses, for both checksums
  std::size_t open_run = 0;      ///< index of the run that takes its next datagram, in this batch
  std::uint64_t batch = 0;       ///< the batch that open_run is of
  std::uint64_t pushed = 0;      ///< the batch that has its PSH
  std::vector<std::vector<std::uint8_t>> held; ///< datagrams that came before it was open
};

/// Turns the datagrams of one wake-up into as few writes to the TUN as they allow.
class segment_writer {
public:
  segment_writer(int tun, std::size_t mtu) : tun_(tun), mss_(mtu - headers_size) {}

  std::size_t mss() const noexcept { return mss_; }

  /// Adds a message of a socket: a datagram, or equal-sized ones (the last may be shorter). The
  /// bytes must live until `flush`.
  void add(session& to, const std::uint8_t* bytes, std::size_t size, std::size_t segment);
  /// Writes all that was added.
  void flush(instant now);

  /// Writes one segment without payload, SYN and SYN-ACK with their options.
  void write_bare(session& to, std::uint8_t flags, std::uint32_t seq, instant now);

  std::uint64_t too_large() const noexcept { return too_large_; }
  std::uint64_t failed_writes() const noexcept { return failed_; }

private:
  struct run {
    session* to;
    std::array<iovec, max_segments + 1> parts; ///< [0] is for the headers
    std::size_t part_count;
    std::size_t size;
    std::size_t segment;
    std::size_t segments;
    bool full;
    bool push;
  };

  run& run_for(session& to, std::size_t segment);
  void write(run& one, instant now);
  void make_headers(std::uint8_t* out, session& to, std::uint8_t flags, std::uint32_t seq,
                    std::size_t option_size, std::size_t payload, std::size_t segment,
                    std::size_t segments, instant now);

  int tun_;
  std::size_t mss_;
  std::vector<run> runs_;
  std::size_t used_ = 0;
  std::uint64_t batch_ = 1;
  std::uint64_t too_large_ = 0;
  std::uint64_t failed_ = 0;
};

} // namespace tonel::bench
