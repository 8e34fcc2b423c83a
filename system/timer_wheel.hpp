#pragma once

#include "protocol/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace tonel::sys {

/// The timers of one event loop.
/// Shape:  hierarchical wheel: ticks of 10 ms, levels of 64 slots, as many levels as time has bits.
///         arm and cancel are O(1), and so is expiry, averaged over a timer's life
/// Units:  never early, at most 20 ms late (10 ms by the wheel, the rest by the loop)
class timer_wheel {
public:
  using timer_id = std::uint32_t;
  static constexpr protocol::duration tick{10'000'000};

  explicit timer_wheel(protocol::time_point start);
  /// Makes a timer, not armed. token: given by expire()
  timer_id create(std::uint64_t token);
  /// Disarms and frees the timer; its id may be used again.
  void destroy(timer_id id) noexcept;
  /// Arms the timer, or moves an armed one.
  void arm(timer_id id, protocol::time_point at);
  /// Disarms the timer.
  void cancel(timer_id id) noexcept;
  bool armed(timer_id id) const noexcept;
  /// Advances to `now`, disarms expired timers, and appends their tokens in order of their ticks.
  void expire(protocol::time_point now, std::vector<std::uint64_t>& expired);
  /// When to call expire() next; none: no timer is armed. It may be before the first deadline's
  /// tick, when far timers have to be sorted into lower levels.
  std::optional<protocol::time_point> next() const noexcept;
  std::size_t armed_count() const noexcept { return armed_; }

private:
  static constexpr unsigned bits = 6;
  static constexpr std::size_t slots = std::size_t{1} << bits;
  /// 2^63 ns are fewer than 2^40 ticks.
  static constexpr std::size_t levels = 7;
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  /// The list of timers that are due already, after the slots of all levels.
  static constexpr std::uint32_t overdue = levels * slots;
  static constexpr std::uint32_t list_count = overdue + 1;

  struct node {
    std::uint64_t token = 0;
    std::uint64_t due = 0;     ///< tick
    std::uint32_t list = none; ///< none: not armed
    std::uint32_t previous = none;
    std::uint32_t next = none; ///< of a destroyed timer: the next free node
  };
  struct list {
    std::uint32_t first = none;
    std::uint32_t last = none;
  };
  struct slot_position {
    std::size_t level;
    std::size_t slot;
    std::uint64_t tick; ///< first tick of the slot
  };

  std::uint64_t tick_at_or_after(protocol::time_point at) const noexcept;
  protocol::time_point time_of(std::uint64_t t) const noexcept;
  std::optional<slot_position> first_slot() const noexcept;
  void link(timer_id id) noexcept;
  void unlink(timer_id id) noexcept;
  void fire_all(std::uint32_t l, std::vector<std::uint64_t>& expired);

  protocol::time_point start_;
  std::uint64_t current_ = 0; ///< the tick that expire() has reached
  std::vector<node> nodes_;
  std::uint32_t free_ = none;
  std::size_t armed_ = 0;
  std::array<list, list_count> lists_;
  std::array<std::uint64_t, levels> occupied_{}; ///< one bit for each slot
};

} // namespace tonel::sys
