#include "actors/operations/status_line.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

namespace tonel::actors {

namespace {

/// A rate with two digits, so that a steady rate does not change the line each time.
std::string rate_text(double bits_per_second) {
  static constexpr std::array<const char*, 4> units{"bit/s", "kbit/s", "Mbit/s", "Gbit/s"};
  std::size_t unit = 0;
  while (bits_per_second >= 999.5 && unit + 1 < units.size()) {
    bits_per_second /= 1'000;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), bits_per_second < 9.95 ? "%.1f %s" : "%.0f %s",
                bits_per_second, units[unit]);
  return text.data();
}

} // namespace

std::uint64_t status_line::sum(counter c) const noexcept {
  std::uint64_t all = 0;
  for (const auto* s : shards_)
    all += s->get(c);
  return all;
}

std::string status_line::at(protocol::time_point now) {
  const auto closed = sum(counter::sessions_closed), opened = sum(counter::sessions_opened);
  const auto sessions = opened - closed; // the ends were read first, so they are not more
  auto line = std::to_string(sessions) + (sessions == 1 ? " session" : " sessions");
  const auto in = sum(counter::datagram_bytes_out), out = sum(counter::datagram_bytes_in);
  const auto before_in = std::exchange(in_, in), before_out = std::exchange(out_, out);
  if (const auto since = std::exchange(since_, now); since && now > *since) {
    const std::chrono::duration<double> took = now - *since;
    if (in != before_in || out != before_out)
      line += "; " + rate_text(static_cast<double>(in - before_in) * 8 / took.count()) + " in, " +
              rate_text(static_cast<double>(out - before_out) * 8 / took.count()) + " out";
  }
  return line;
}

} // namespace tonel::actors
