#pragma once

#include "actors/runtime/log_limit.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

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

/// How lines look.
enum class log_format : std::uint8_t {
  text, ///< time (ISO 8601, UTC), level, message
  json, ///< one object a line: time, level, component, message, and suppressed where lines were
};

/// Where lines go, and how they look.
struct log_settings {
  log_level level = log_level::info;
  log_format format = log_format::text;
  std::string path; ///< empty: stderr
  /// stderr is systemd's journal: each line begins with its priority ("<4>"), and a text has neither
  /// time nor level, which the journal shows itself.
  bool journal = false;
  /// False: all lines of a kind are written, however many.
  bool limited = true;
};

/// The beginning of a line, and the place in the code that logs it, found out by itself.
struct log_text {
  template <class T, class = std::enable_if_t<std::is_convertible_v<const T&, std::string_view>>>
  log_text(const T& beginning, const char* file = __builtin_FILE(), // NOLINT: meant to convert
           unsigned line = __builtin_LINE())
      : text{beginning}, place{file, line} {}

  std::string_view text;
  log_place place;
};

/// Writes one line, unless too many came from that place of late; the next that is written then says
/// how many were left out. Without a place it is always written: for lists that someone asked for. Control characters in the text are escaped, since part of it comes from the
/// network and from file names.
/// Thread: any
void log_line(log_level level, log_place place, std::string_view text);

/// Sets the log up anew; until it is called: info, text, stderr.
/// Errors: the system's reason why the file cannot be opened; logging then stays as it was
/// Thread: before the others are started
std::optional<std::string> open_log(const log_settings& wanted);

/// Opens the log's file again before the next line is written, which a program that keeps old ones has
/// moved away; nothing where there is none. If it cannot be opened, the old one goes on and says so.
/// Thread: any
void reopen_log();

/// While this lives, a thread of its own writes the lines: whoever reads them may be slow or gone, and
/// no event loop waits for that. Lines that have no room meanwhile are lost, and a line says how many.
/// Made after the last fork; the end writes what waits, but gives up after 2 s.
struct log_thread {
  log_thread();
  ~log_thread();
  log_thread(const log_thread&) = delete;
  log_thread& operator=(const log_thread&) = delete;
};

/// Waits until what was logged is written, for 2 s at most.
void flush_log();

/// Lines that were lost since the start, as nobody took them or the file was full.
/// Thread: any
std::uint64_t log_lines_lost();

/// Commands to be copied into a shell: on stderr as they are, in a file a line of the log each.
void log_commands(const std::vector<std::string>& commands);
bool log_goes_to_a_file();

/// What lines of this thread belong to from now on, for the json format: "shard-0", "control".
/// Owns: a copy
void set_log_component(std::string_view name);

/// Joins the parts (text, numbers, anything with a to_string) to one line, if the level is shown.
template <class... Parts>
void log_parts(log_level level, const log_text& first, const Parts&... parts) {
  if (!log_enabled(level)) return;
  std::string text{first.text};
  (detail::append_log_part(text, parts), ...);
  log_line(level, first.place, text);
}

template <class... Parts> void log_error(const log_text& first, const Parts&... parts) {
  log_parts(log_level::error, first, parts...);
}
template <class... Parts> void log_warn(const log_text& first, const Parts&... parts) {
  log_parts(log_level::warn, first, parts...);
}
template <class... Parts> void log_info(const log_text& first, const Parts&... parts) {
  log_parts(log_level::info, first, parts...);
}
template <class... Parts> void log_debug(const log_text& first, const Parts&... parts) {
  log_parts(log_level::debug, first, parts...);
}
template <class... Parts> void log_trace(const log_text& first, const Parts&... parts) {
  log_parts(log_level::trace, first, parts...);
}

} // namespace tonel::actors
