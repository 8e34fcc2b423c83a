#pragma once

#include "bench/traffic/json.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace tonel::bench {

/// How long things took: any number of them in a table of fixed size, exact to 1.6 %.
/// Shape:  64 buckets for each power of two
/// Units:  nanoseconds in, microseconds out
class delay_log {
public:
  void note(std::uint64_t nanoseconds) noexcept {
    ++buckets_[bucket_of(nanoseconds)];
    ++count_;
    if (nanoseconds > most_) most_ = nanoseconds;
  }

  std::uint64_t count() const noexcept { return count_; }

  /// The value that `share` of all are not above; 0 without any.
  double quantile(double share) const noexcept {
    const auto wanted = share * static_cast<double>(count_);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen > 0 && static_cast<double>(seen) >= wanted) return 1e-3 * value_of(i);
    }
    return 0;
  }

  /// Adds `PREFIXmedian_us`, `PREFIXp99_us` and `PREFIXmax_us`, if there is anything to tell.
  void write(json_object& out, const std::string& prefix) const {
    if (count_ == 0) return;
    out.add((prefix + "median_us").c_str(), quantile(0.5))
        .add((prefix + "p99_us").c_str(), quantile(0.99))
        .add((prefix + "max_us").c_str(), 1e-3 * static_cast<double>(most_));
  }

private:
  static constexpr unsigned fine_bits = 6;
  static constexpr std::uint64_t fine = 1U << fine_bits;

  static std::size_t bucket_of(std::uint64_t value) noexcept {
    unsigned shift = 0;
    while ((value >> shift) >= 2 * fine)
      ++shift;
    return shift * fine + static_cast<std::size_t>(value >> shift);
  }
  static double value_of(std::size_t bucket) noexcept {
    const auto shift = bucket < 2 * fine ? 0 : bucket / fine - 1;
    const auto head = bucket - shift * fine;
    return (static_cast<double>(head) + 0.5) * static_cast<double>(std::uint64_t{1} << shift);
  }

  std::array<std::uint64_t, (64 - fine_bits + 1) * fine> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t most_ = 0;
};

} // namespace tonel::bench
