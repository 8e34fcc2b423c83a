#pragma once

#include "bench/traffic/delays.hpp"
#include "bench/traffic/json.hpp"
#include "bench/traffic/net.hpp"
#include "bench/traffic/pattern.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace tonel::bench {

/// Which sequence numbers of one stream have come, kept as the ranges that are missing: exact, and
/// as small as the loss.
class sequence_log {
public:
  enum class arrival : std::uint8_t { next, ahead, late, duplicate };

  arrival note(std::uint64_t sequence);
  /// The full number whose low `bits` are those of `low`, nearest to the one expected next.
  std::uint64_t extend(std::uint64_t low, unsigned bits) const noexcept;
  /// Numbers below the highest that have not come.
  std::uint64_t missing() const noexcept { return missing_total_; }
  std::uint64_t next() const noexcept { return next_; }

private:
  // One range is one loss event: past this many the oldest is given up (a number in it that still
  // comes counts as a duplicate).
  static constexpr std::size_t max_ranges = 1U << 20U;

  std::uint64_t next_ = 0;
  std::uint64_t missing_total_ = 0;
  std::map<std::uint64_t, std::uint64_t> ranges_; // first -> one past the last
};

struct counters {
  std::uint64_t received = 0;
  std::uint64_t bytes = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t reordered = 0;
  std::uint64_t altered = 0;
  std::uint64_t wrong_length = 0;
  std::uint64_t zero_length = 0;
};

/// Everything that is known of the datagrams received: totals, and a log per stream.
/// Shape:  a stream is what one sending socket numbers; datagrams under 32 bytes name none and
///         count for the stream last seen from their source address
class tally {
public:
  /// `now` is when it came, on the sender's clock: for datagrams that tell when they were sent.
  void note(const endpoint& source, const std::uint8_t* bytes, std::size_t size,
            std::uint64_t now = 0);

  const counters& total() const noexcept { return total_; }
  std::uint64_t gaps() const noexcept;
  /// How long those that tell have been under way.
  const delay_log& delays() const noexcept { return delays_; }
  /// Adds the totals, and with `each` a list with an object per stream.
  void write(json_object& out, bool each) const;

private:
  struct stream_key {
    std::uint64_t seed;
    std::uint32_t stream;
    bool operator==(const stream_key& o) const noexcept {
      return seed == o.seed && stream == o.stream;
    }
  };
  struct stream_key_hash {
    std::size_t operator()(const stream_key& k) const noexcept { return mix(k.seed + k.stream); }
  };
  struct stream_log {
    std::optional<stream_key> key;
    endpoint last_source;
    std::uint64_t sources = 0;
    counters count;
    sequence_log numbers;
  };
  struct source_log {
    endpoint address;
    stream_log* stream = nullptr;
  };

  source_log& source_of(const endpoint& address);
  stream_log& stream_of(source_log& source, const reading& got);
  stream_log& new_stream();

  counters total_;
  delay_log delays_;
  std::vector<std::unique_ptr<stream_log>> streams_;
  std::unordered_map<stream_key, stream_log*, stream_key_hash> by_key_;
  std::unordered_map<endpoint, source_log, endpoint_hash> sources_;
  source_log* last_ = nullptr;
};

} // namespace tonel::bench
