#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace tonel::actors {

/// Memory for the batches of a wake-up: lent to a vector to fill, taken back once that was handled.
/// So a wake-up allocates nothing, and no session keeps memory of its own.
/// Shape: at most four empty vectors, each as large as a wake-up has needed
template <class T> class spare_vectors {
public:
  /// Lends memory to an empty vector that has none.
  void lend(std::vector<T>& to) noexcept {
    if (count_ > 0 && to.capacity() == 0) to.swap(kept_[--count_]);
  }
  /// Clears the vector and takes its memory back.
  void take_back(std::vector<T>& from) noexcept {
    from.clear();
    if (from.capacity() == 0) return;
    if (count_ < kept_.size())
      kept_[count_++].swap(from);
    else
      std::vector<T>{}.swap(from);
  }
  std::size_t size() const noexcept { return count_; }

private:
  std::array<std::vector<T>, 4> kept_;
  std::size_t count_ = 0;
};

} // namespace tonel::actors
