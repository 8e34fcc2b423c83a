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

/// The moments at which a machine or an actor has something to do: one for each enumerator of Timer.
/// Shape:  Timer's enumerators count from 0, the last is `count`; to_string(Timer) names each.
///         `never` is a timer that is not set
/// Units:  the owner's clock; nothing here knows what time it is
template <class Timer> class deadlines {
public:
  static constexpr std::size_t size = static_cast<std::size_t>(Timer::count);
  static constexpr time_point never = time_point::max();

  constexpr deadlines() noexcept {
    for (auto& at : at_)
      at = never;
  }

  constexpr void set(Timer t, time_point at) noexcept { at_[index(t)] = at; }
  /// Nothing: not set.
  constexpr void set(Timer t, const std::optional<time_point>& at) noexcept {
    set(t, at ? *at : never);
  }
  /// Moves the deadline forward, never back.
  constexpr void set_earlier(Timer t, time_point at) noexcept {
    if (at < at_[index(t)]) at_[index(t)] = at;
  }
  constexpr void clear(Timer t) noexcept { at_[index(t)] = never; }
  constexpr void clear(std::initializer_list<Timer> some) noexcept {
    for (const auto t : some)
      clear(t);
  }
  constexpr void clear() noexcept {
    for (auto& at : at_)
      at = never;
  }

  constexpr time_point at(Timer t) const noexcept { return at_[index(t)]; }
  constexpr bool is_set(Timer t) const noexcept { return at(t) != never; }
  constexpr bool due(Timer t, time_point now) const noexcept { return at(t) <= now; }
  /// The first of those that are due.
  constexpr std::optional<Timer> due(time_point now) const noexcept {
    const auto first = earliest();
    if (first == never || first > now) return std::nullopt;
    std::size_t i = 0;
    while (at_[i] != first)
      ++i;
    return static_cast<Timer>(i);
  }
  /// Whether it is due; it is cleared then.
  constexpr bool take(Timer t, time_point now) noexcept {
    if (!is_set(t) || !due(t, now)) return false;
    clear(t);
    return true;
  }

  /// `never` if none is set.
  constexpr time_point earliest() const noexcept { return earliest_of<0, size>(); }
  /// Of these alone.
  constexpr time_point earliest(std::initializer_list<Timer> some) const noexcept {
    auto first = never;
    for (const auto t : some)
      first = at(t) < first ? at(t) : first;
    return first;
  }
  /// What a timer is armed for.
  constexpr std::optional<time_point> next() const noexcept { return if_any(earliest()); }
  /// Nothing in place of `never`.
  static constexpr std::optional<time_point> if_any(time_point at) noexcept {
    if (at == never) return std::nullopt;
    return at;
  }

private:
  /// By halves, which keeps a processor busier than one after the other: it is asked after each batch.
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

/// In tenths of a second, rounded: "3.2 s".
[[nodiscard]] std::string tenths_of_seconds(duration d);

/// What is set, the first to come first: "ack in 0.4 s, keepalive in 3.2 s"; what is late is "due".
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
