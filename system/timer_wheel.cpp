#include "system/timer_wheel.hpp"

#include <cassert>
#include <utility>

namespace tonel::sys {

namespace {

unsigned lowest_bit(std::uint64_t v) noexcept { return static_cast<unsigned>(__builtin_ctzll(v)); }
unsigned highest_bit(std::uint64_t v) noexcept {
  return 63u - static_cast<unsigned>(__builtin_clzll(v));
}

} // namespace

timer_wheel::timer_wheel(protocol::time_point start) : start_(start) {}

timer_wheel::timer_id timer_wheel::create(std::uint64_t token) {
  timer_id id = free_;
  if (id != none) {
    free_ = nodes_[id].next;
    nodes_[id] = node{};
  } else {
    id = static_cast<timer_id>(nodes_.size());
    nodes_.emplace_back();
  }
  nodes_[id].token = token;
  return id;
}

void timer_wheel::destroy(timer_id id) noexcept {
  cancel(id);
  nodes_[id].next = free_;
  free_ = id;
}

void timer_wheel::arm(timer_id id, protocol::time_point at) {
  cancel(id);
  nodes_[id].due = tick_at_or_after(at);
  link(id);
  ++armed_;
}

void timer_wheel::cancel(timer_id id) noexcept {
  if (!armed(id)) return;
  unlink(id);
  --armed_;
}

bool timer_wheel::armed(timer_id id) const noexcept {
  assert(id < nodes_.size());
  return nodes_[id].list != none;
}

std::uint64_t timer_wheel::tick_at_or_after(protocol::time_point at) const noexcept {
  if (at <= start_) return 0;
  // Unsigned: a start before the epoch and a deadline of time_point::max() are both allowed.
  const auto since = static_cast<std::uint64_t>(at.time_since_epoch().count()) -
                     static_cast<std::uint64_t>(start_.time_since_epoch().count());
  const auto length = static_cast<std::uint64_t>(tick.count());
  return since / length + (since % length != 0 ? 1 : 0);
}

protocol::time_point timer_wheel::time_of(std::uint64_t t) const noexcept {
  const auto room = static_cast<std::uint64_t>((protocol::time_point::max() - start_) / tick);
  if (t > room) return protocol::time_point::max();
  return start_ + static_cast<std::int64_t>(t) * tick;
}

void timer_wheel::link(timer_id id) noexcept {
  node& n = nodes_[id];
  std::uint32_t where = overdue;
  if (n.due > current_) {
    // The highest group of bits in which the two ticks differ gives the level; all slots in use of
    // a level are ahead of the current tick's own, so nothing wraps around.
    const auto level = highest_bit(n.due ^ current_) / bits;
    const auto slot = (n.due >> (level * bits)) & (slots - 1);
    where = static_cast<std::uint32_t>(level * slots + slot);
    occupied_[level] |= std::uint64_t{1} << slot;
  }
  n.list = where;
  n.previous = lists_[where].last;
  n.next = none;
  if (n.previous == none)
    lists_[where].first = id;
  else
    nodes_[n.previous].next = id;
  lists_[where].last = id;
}

void timer_wheel::unlink(timer_id id) noexcept {
  node& n = nodes_[id];
  list& l = lists_[n.list];
  (n.previous == none ? l.first : nodes_[n.previous].next) = n.next;
  (n.next == none ? l.last : nodes_[n.next].previous) = n.previous;
  if (l.first == none && n.list != overdue)
    occupied_[n.list / slots] &= ~(std::uint64_t{1} << (n.list % slots));
  n.list = none;
}

std::optional<timer_wheel::slot_position> timer_wheel::first_slot() const noexcept {
  // Every slot of a level comes before every slot of the levels above it.
  for (std::size_t level = 0; level < levels; ++level) {
    if (occupied_[level] == 0) continue;
    const auto shift = level * bits;
    const std::uint64_t slot = lowest_bit(occupied_[level]);
    const auto rotation = current_ >> (shift + bits) << (shift + bits);
    return slot_position{level, static_cast<std::size_t>(slot), rotation | (slot << shift)};
  }
  return std::nullopt;
}

void timer_wheel::fire_all(std::uint32_t l, std::vector<std::uint64_t>& expired) {
  while (lists_[l].first != none) {
    const auto id = lists_[l].first;
    expired.push_back(nodes_[id].token);
    unlink(id);
    --armed_;
  }
}

void timer_wheel::expire(protocol::time_point now, std::vector<std::uint64_t>& expired) {
  fire_all(overdue, expired);
  if (now <= start_) return;
  const auto target = static_cast<std::uint64_t>((now - start_) / tick);
  while (const auto first = first_slot()) {
    if (first->tick > target) break;
    current_ = first->tick;
    const auto where = static_cast<std::uint32_t>(first->level * slots + first->slot);
    if (first->level == 0) {
      fire_all(where, expired);
      continue;
    }
    // Sorts the slot's timers into lower levels; those of this tick become due.
    auto id = std::exchange(lists_[where], list{}).first;
    occupied_[first->level] &= ~(std::uint64_t{1} << first->slot);
    while (id != none) {
      const auto following = nodes_[id].next;
      link(id);
      id = following;
    }
    fire_all(overdue, expired);
  }
  if (target > current_) current_ = target;
}

std::optional<protocol::time_point> timer_wheel::next() const noexcept {
  if (lists_[overdue].first != none) return time_of(current_);
  if (const auto first = first_slot()) return time_of(first->tick);
  return std::nullopt;
}

} // namespace tonel::sys
