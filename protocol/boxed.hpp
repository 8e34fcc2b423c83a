#pragma once

#include <memory>
#include <utility>

namespace tonel::protocol {

/// A value on the heap, or none: for the part of a long-lived object that is needed for a while alone.
/// Shape: copied with its value, as std::optional is
template <class T> class boxed {
public:
  boxed() = default;
  explicit boxed(T value) : value_(std::make_unique<T>(std::move(value))) {}
  boxed(const boxed& other) : value_(other ? std::make_unique<T>(*other) : nullptr) {}
  boxed(boxed&&) noexcept = default;
  boxed& operator=(const boxed& other) {
    value_ = other ? std::make_unique<T>(*other) : nullptr;
    return *this;
  }
  boxed& operator=(boxed&&) noexcept = default;
  ~boxed() = default;

  void reset() noexcept { value_.reset(); }
  explicit operator bool() const noexcept { return value_ != nullptr; }
  T* operator->() noexcept { return value_.get(); }
  const T* operator->() const noexcept { return value_.get(); }
  T& operator*() noexcept { return *value_; }
  const T& operator*() const noexcept { return *value_; }

private:
  std::unique_ptr<T> value_;
};

} // namespace tonel::protocol
