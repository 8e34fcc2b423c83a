#include "system/os_error.hpp"

#include <cstring>

namespace tonel::sys {

namespace {

// There are two strerror_r, and which one is there the C library decides; strerror is not for threads.
[[maybe_unused]] const char* text_of(const char* gnu, const char*) noexcept { return gnu; }
[[maybe_unused]] const char* text_of(int failed, const char* posix) noexcept {
  return failed == 0 ? posix : "unknown error";
}

} // namespace

std::string os_error::to_string() const {
  std::string text = operation;
  if (!detail.empty()) text += " (" + detail + ")";
  // 0: not an errno (getaddrinfo has codes of its own); detail says it all.
  if (number != 0) {
    char buffer[128];
    text += ": ";
    text += text_of(::strerror_r(number, buffer, sizeof buffer), buffer);
  }
  return text;
}

} // namespace tonel::sys
