#pragma once

#include "protocol/expected.hpp"

#include <string>

namespace tonel::sys {

/// A failed call of the operating system.
struct os_error {
  int number = 0;             ///< errno
  const char* operation = ""; ///< a literal: "ioctl TUNSETIFF"
  std::string detail;         ///< what it was tried on: a device, an address, a path

  /// "ioctl TUNSETIFF (tonel0): Operation not permitted"
  std::string to_string() const;
};

template <class T> using result = expected<T, os_error>;

} // namespace tonel::sys
