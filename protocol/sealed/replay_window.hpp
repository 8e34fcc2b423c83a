#pragma once

#include <cstdint>
#include <vector>

namespace tonel::protocol::sealed {

/// Remembers which records have come, by the position of their first octet.
/// Shape: a ring of bits, one for 16 positions: records have 22 octets or more, so that no two share
///        one. It reaches back 64 KiB to begin with, and up to 4 MiB where records come that late
class replay_window {
public:
  static constexpr std::uint64_t first_reach = std::uint64_t{64} << 10;
  static constexpr std::uint64_t most_reach = std::uint64_t{4} << 20;

  enum class verdict : std::uint8_t { fresh, seen, old };

  replay_window() : words_(words_for(first_reach)) {}

  /// What a record at this position is, before it is known to be the peer's. `fresh` also where that
  /// can't be told any more, but a window of the largest size could have.
  [[nodiscard]] verdict look(std::uint64_t position) const noexcept;
  /// A record is the peer's. Otherwise than `fresh`: drop it.
  /// Errors: seen, old; where one is old by little, the window reaches back further from now on
  [[nodiscard]] verdict take(std::uint64_t position);
  /// Positions that it reaches back.
  std::uint64_t reach() const noexcept { return cells() * cell_size; }

private:
  static constexpr std::uint64_t cell_size = 16;
  static constexpr std::uint64_t word_cells = 64;
  static constexpr std::uint64_t words_for(std::uint64_t reach) noexcept {
    return reach / cell_size / word_cells;
  }

  std::uint64_t cells() const noexcept { return words_.size() * word_cells; }
  bool is_set(std::uint64_t cell) const noexcept {
    return ((words_[(cell / word_cells) & (words_.size() - 1)] >> (cell % word_cells)) & 1) != 0;
  }
  void set(std::uint64_t cell) noexcept {
    words_[(cell / word_cells) & (words_.size() - 1)] |= std::uint64_t{1} << (cell % word_cells);
  }
  void advance(std::uint64_t cell) noexcept;
  void grow(std::uint64_t distance);

  std::vector<std::uint64_t> words_; ///< a power of two of them
  std::uint64_t highest_ = 0;        ///< the highest cell of a record that came
};

} // namespace tonel::protocol::sealed
