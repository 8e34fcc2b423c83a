#include "system/os_error.hpp"

#include <cstring>

namespace tonel::sys {

std::string os_error::to_string() const {
  std::string text = operation;
  if (!detail.empty()) text += " (" + detail + ")";
  // 0: not an errno (getaddrinfo has codes of its own); detail says it all.
  if (number != 0) {
    char buffer[128];
    // The GNU strerror_r: the XSI one would cut, and strerror is not for threads.
    text += ": ";
    text += ::strerror_r(number, buffer, sizeof buffer);
  }
  return text;
}

} // namespace tonel::sys
