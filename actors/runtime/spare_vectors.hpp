#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace tonel::actors {

/// Memory for what each wake-up gathers and passes on: lent to a vector that is filled, taken back when
/// that has been handled. So a wake-up allocates nothing, and no session keeps memory of its own.
/// Shape: at most four vectors, empty, each as large as a wake-up has needed
template <class T> class spare_vectors {
public:
  /// To one that is empty and has none.
  void lend(std::vector<T>& to) noexcept {
    if (count_ > 0 && to.capacity() == 0) to.swap(kept_[--count_]);
  }
  /// Its content goes.
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
