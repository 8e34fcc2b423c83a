#pragma once

#include "protocol/expected.hpp"

#include <string>

namespace tonel::sys {

/// A failed call of the operating system.
struct os_error {
  int number = 0;             ///< errno
  const char* operation = ""; ///< a literal: "ioctl TUNSETIFF"
  std::string detail;         ///< the device, address or path that it was tried on

  /// "ioctl TUNSETIFF (tonel0): Operation not permitted"
  std::string to_string() const;
};

/// The result of a call of this layer, or its error.
template <class T> using result = expected<T, os_error>;

} // namespace tonel::sys
