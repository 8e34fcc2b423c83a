#pragma once

#include "protocol/time.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace tonel::protocol {

/// The deadlines of a machine or an actor, one for each enumerator of Timer.
/// Shape:  Timer's enumerators count from 0, and the last is `count`; to_string(Timer) names each.
///         A timer that is not set is `never`
/// Units:  time points of the owner's clock
template <class Timer> class deadlines {
public:
  static constexpr std::size_t size = static_cast<std::size_t>(Timer::count);
  static constexpr time_point never = time_point::max();

  constexpr deadlines() noexcept {
    for (auto& at : at_)
      at = never;
  }

  /// Sets the timer, or moves it.
  constexpr void set(Timer t, time_point at) noexcept { at_[index(t)] = at; }
  /// None: clears the timer.
  constexpr void set(Timer t, const std::optional<time_point>& at) noexcept {
    set(t, at ? *at : never);
  }
  /// Sets the timer unless it is set to an earlier time.
  constexpr void set_earlier(Timer t, time_point at) noexcept {
    if (at < at_[index(t)]) at_[index(t)] = at;
  }
  constexpr void clear(Timer t) noexcept { at_[index(t)] = never; }
  constexpr void clear(std::initializer_list<Timer> some) noexcept {
    for (const auto t : some)
      clear(t);
  }
  /// Clears all timers.
  constexpr void clear() noexcept {
    for (auto& at : at_)
      at = never;
  }

  /// The deadline of the timer; `never` if not set.
  constexpr time_point at(Timer t) const noexcept { return at_[index(t)]; }
  constexpr bool is_set(Timer t) const noexcept { return at(t) != never; }
  constexpr bool due(Timer t, time_point now) const noexcept { return at(t) <= now; }
  /// The timer that has been due longest; none: no timer is due.
  constexpr std::optional<Timer> due(time_point now) const noexcept {
    const auto first = earliest();
    if (first == never || first > now) return std::nullopt;
    std::size_t i = 0;
    while (at_[i] != first)
      ++i;
    return static_cast<Timer>(i);
  }
  /// Whether the timer is due; clears it if so.
  constexpr bool take(Timer t, time_point now) noexcept {
    if (!is_set(t) || !due(t, now)) return false;
    clear(t);
    return true;
  }

  /// The earliest deadline; `never` if none is set.
  constexpr time_point earliest() const noexcept { return earliest_of<0, size>(); }
  /// The earliest deadline of these timers.
  constexpr time_point earliest(std::initializer_list<Timer> some) const noexcept {
    auto first = never;
    for (const auto t : some)
      first = at(t) < first ? at(t) : first;
    return first;
  }
  /// The earliest deadline, to arm a timer for; none: no timer is set.
  constexpr std::optional<time_point> next() const noexcept { return if_any(earliest()); }
  /// The time point; none for `never`.
  static constexpr std::optional<time_point> if_any(time_point at) noexcept {
    if (at == never) return std::nullopt;
    return at;
  }

private:
  /// Compares by halves, which a processor can do in parallel: this is called after each batch.
  template <std::size_t From, std::size_t Count> constexpr time_point earliest_of() const noexcept {
    if constexpr (Count == 1)
      return at_[From];
    else
      return std::min(earliest_of<From, Count / 2>(),
                      earliest_of<From + Count / 2, Count - Count / 2>());
  }
  static constexpr std::size_t index(Timer t) noexcept { return static_cast<std::size_t>(t); }

  std::array<time_point, size> at_{};
};

/// The duration in tenths of a second, rounded: "3.2 s".
[[nodiscard]] std::string tenths_of_seconds(duration d);

/// The timers that are set, earliest first: "ack in 0.4 s, keepalive in 3.2 s"; a late one is
/// "due".
template <class Timer>
[[nodiscard]] std::string to_string(const deadlines<Timer>& set, time_point now) {
  std::vector<Timer> some;
  for (std::size_t i = 0; i < set.size; ++i)
    if (set.is_set(static_cast<Timer>(i))) some.push_back(static_cast<Timer>(i));
  std::stable_sort(some.begin(), some.end(),
                   [&set](Timer a, Timer b) { return set.at(a) < set.at(b); });
  std::string out;
  for (const auto t : some) {
    if (!out.empty()) out += ", ";
    out += to_string(t);
    out += set.due(t, now) ? std::string{" due"} : " in " + tenths_of_seconds(set.at(t) - now);
  }
  return out.empty() ? "none" : out;
}

} // namespace tonel::protocol
