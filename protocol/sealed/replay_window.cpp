#include "protocol/sealed/replay_window.hpp"

#include <algorithm>

namespace tonel::protocol::sealed {

replay_window::verdict replay_window::look(std::uint64_t position) const noexcept {
  const auto cell = position / cell_size;
  if (cell > highest_) return verdict::fresh;
  const auto distance = highest_ - cell;
  if (distance >= most_reach / cell_size) return verdict::old;
  return distance < cells() && is_set(cell) ? verdict::seen : verdict::fresh;
}

replay_window::verdict replay_window::take(std::uint64_t position) {
  const auto cell = position / cell_size;
  if (cell > highest_) {
    advance(cell);
    set(cell);
    return verdict::fresh;
  }
  const auto distance = highest_ - cell;
  if (distance >= most_reach / cell_size) return verdict::old;
  const bool within = distance < cells();
  const bool fresh = within && !is_set(cell);
  // Before records come too late for it: of one that did, it is too late to know.
  if (distance >= cells() / 2) grow(distance);
  if (!within) return verdict::old;
  set(cell);
  return fresh ? verdict::fresh : verdict::seen;
}

/// Clears the cells up to this one, which stand for older positions until now.
void replay_window::advance(std::uint64_t cell) noexcept {
  if (cell - highest_ >= cells()) {
    std::fill(words_.begin(), words_.end(), 0);
  } else {
    for (auto next = highest_ + 1; next <= cell;) {
      const auto from = next % word_cells;
      const auto count = std::min(word_cells - from, cell - next + 1);
      const auto ones = count == word_cells ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
      words_[(next / word_cells) & (words_.size() - 1)] &= ~(ones << from);
      next += count;
    }
  }
  highest_ = cell;
}

/// Makes the window twice as large as a record was late. Of positions that it did not reach before
/// nothing is known: they count as seen.
void replay_window::grow(std::uint64_t distance) {
  auto wanted = cells();
  while (wanted < most_reach / cell_size && wanted < 2 * distance)
    wanted *= 2;
  if (wanted == cells()) return;
  replay_window larger;
  larger.words_.assign(wanted / word_cells, ~std::uint64_t{0});
  larger.highest_ = highest_;
  const auto known = std::min(cells(), highest_ + 1);
  for (std::uint64_t back = 0; back < known; ++back) {
    const auto cell = highest_ - back;
    if (!is_set(cell))
      larger.words_[(cell / word_cells) & (larger.words_.size() - 1)] &=
          ~(std::uint64_t{1} << (cell % word_cells));
  }
  *this = std::move(larger);
}

} // namespace tonel::protocol::sealed
