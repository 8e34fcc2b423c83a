#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace tonel::actors {

/// Each level shows itself and those before it.
enum class log_level : std::uint8_t { off, error, warn, info, debug, trace };

namespace detail {

extern std::atomic<log_level> log_threshold;

template <class T, class = void> struct has_to_string : std::false_type {};
template <class T>
struct has_to_string<T, std::void_t<decltype(std::declval<const T&>().to_string())>>
    : std::true_type {};

template <class T> void append_log_part(std::string& out, const T& part) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    out += std::string_view{part};
  } else if constexpr (std::is_same_v<T, char>) {
    out += part;
  } else if constexpr (std::is_same_v<T, bool>) {
    out += part ? "true" : "false";
  } else if constexpr (std::is_arithmetic_v<T>) {
    out += std::to_string(part);
  } else if constexpr (has_to_string<T>::value) {
    out += part.to_string();
  } else {
    out += to_string(part); // found beside the type
  }
}

} // namespace detail

/// Whether a line of this level would be written: one relaxed load.
inline bool log_enabled(log_level level) noexcept {
  return level != log_level::off && level <= detail::log_threshold.load(std::memory_order_relaxed);
}

/// Writes one line: time (ISO 8601, UTC), level, text. Control characters in the text are escaped,
/// since part of it comes from the network and from file names.
/// Thread: any
void log_line(log_level level, std::string_view text);

/// Sets the level and where lines go from now on; until it is called that is info and stderr.
/// Errors: the system's reason why the file cannot be opened; logging then stays as it was
/// Thread: before the others are started
std::optional<std::string> open_log(log_level level, const std::string& path);

/// Joins the parts (text, numbers, anything with a to_string) to one line, if the level is shown.
template <class... Parts> void log_parts(log_level level, const Parts&... parts) {
  if (!log_enabled(level)) return;
  std::string text;
  (detail::append_log_part(text, parts), ...);
  log_line(level, text);
}

template <class... Parts> void log_error(const Parts&... parts) {
  log_parts(log_level::error, parts...);
}
template <class... Parts> void log_warn(const Parts&... parts) {
  log_parts(log_level::warn, parts...);
}
template <class... Parts> void log_info(const Parts&... parts) {
  log_parts(log_level::info, parts...);
}
template <class... Parts> void log_debug(const Parts&... parts) {
  log_parts(log_level::debug, parts...);
}
template <class... Parts> void log_trace(const Parts&... parts) {
  log_parts(log_level::trace, parts...);
}

} // namespace tonel::actors
