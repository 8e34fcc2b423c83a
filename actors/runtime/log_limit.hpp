#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace tonel::actors {

/// Where in the code a line is logged: the kind of message that it is. None: not limited.
struct log_place {
  const char* file = nullptr;
  unsigned line = 0;
};

/// How many lines of each kind may be written, so that nobody who makes us log something fills a disk:
/// some at once, then a few a minute.
/// Shape:  a token bucket for each place in the code, of which there are some dozens
/// Thread: one at a time
class log_limit {
public:
  using time_point = std::chrono::steady_clock::time_point;

  log_limit(std::uint32_t at_once, std::chrono::milliseconds each) noexcept
      : at_once_(at_once), each_(each) {}
  /// How many lines of the kind were left out since the last one that was written, if one may be
  /// written now; else nothing, and this one is counted.
  std::optional<std::uint64_t> admit(log_place place, time_point now);

private:
  struct bucket {
    std::uint32_t left = 0;
    time_point since{};
    std::uint64_t left_out = 0;
  };
  std::uint32_t at_once_;
  std::chrono::milliseconds each_;
  std::map<std::pair<const char*, unsigned>, bucket> buckets_;
};

} // namespace tonel::actors
