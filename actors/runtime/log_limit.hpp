#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace tonel::actors {

/// The place in the code that logs a line, which stands for its kind. Null: not limited.
struct log_place {
  const char* file = nullptr;
  unsigned line = 0;
};

/// Limits the lines of each kind, so that nobody can fill a disk by causing lines: some at once,
/// then a few a minute.
/// Shape:  a token bucket for each place in the code; there are some dozens
/// Thread: one at a time
class log_limit {
public:
  using time_point = std::chrono::steady_clock::time_point;

  log_limit(std::uint32_t at_once, std::chrono::milliseconds each) noexcept
      : at_once_(at_once), each_(each) {}
  /// Whether to write a line of this kind: gives the number of lines suppressed since the last one;
  /// none: suppress this one, too.
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
