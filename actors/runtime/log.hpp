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

/// Each level also shows lines of the levels before it.
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
    out += to_string(part); // found by argument-dependent lookup
  }
}

} // namespace detail

/// Whether a line of this level would be written: one relaxed load.
inline bool log_enabled(log_level level) noexcept {
  return level != log_level::off && level <= detail::log_threshold.load(std::memory_order_relaxed);
}

/// The format of lines.
enum class log_format : std::uint8_t {
  text, ///< time (ISO 8601, UTC), level, message
  json, ///< an object on each line: time, level, component, message; suppressed, if lines were
};

/// The output and format of the log.
struct log_settings {
  log_level level = log_level::info;
  log_format format = log_format::text;
  std::string path; ///< empty: stderr
  /// stderr is systemd's journal: each line begins with its priority ("<4>"); text lines then have
  /// neither time nor level, which the journal adds.
  bool journal = false;
  /// False: no limit on lines of one kind.
  bool limited = true;
};

/// The first part of a line, with the place in the code that logs it, added by the compiler.
struct log_text {
  template <class T, class = std::enable_if_t<std::is_convertible_v<const T&, std::string_view>>>
  log_text(const T& beginning, const char* file = __builtin_FILE(), // NOLINT: meant to convert
           unsigned line = __builtin_LINE())
      : text{beginning}, place{file, line} {}

  std::string_view text;
  log_place place;
};

/// The text with control characters as "\x1b", so that it stays one line and moves no cursor.
std::string escaped(std::string_view text);

/// Writes a line, unless too many came from its place of late; the next line from there then tells
/// the number of suppressed ones. A line without a place is always written, for lists that a user
/// asked for. Control characters in the text are escaped, since parts of it come from the network
/// and from file names.
/// Thread: any
void log_line(log_level level, log_place place, std::string_view text);

/// Sets up the log; before this call: info, text, stderr.
/// Errors: the system's message, if the file cannot be opened; the log then stays as it was
/// Thread: one, before others exist
std::optional<std::string> open_log(const log_settings& wanted);

/// Opens the log file again before the next line, after a program such as logrotate has moved it;
/// no effect without a file. If it cannot be opened, the old file is kept, and a line says so.
/// Thread: any
void reopen_log();

/// Lets a thread of its own write the lines as long as it lives, so that no event loop waits for a
/// slow reader. Lines without room are lost, and a line tells their number. Make it after the last
/// fork; the destructor writes waiting lines, for 2 s at most.
struct log_thread {
  log_thread();
  ~log_thread();
  log_thread(const log_thread&) = delete;
  log_thread& operator=(const log_thread&) = delete;
};

/// Waits until all lines so far are written, for 2 s at most.
void flush_log();

/// The number of lines lost since the start, for a slow reader or a full disk.
/// Thread: any
std::uint64_t log_lines_lost();

/// Logs commands to copy into a shell: on stderr as they are, in a file as a line of the log each.
void log_commands(const std::vector<std::string>& commands);
/// False: the log goes to stderr.
bool log_goes_to_a_file();

/// Sets the component of this thread's lines, for the json format: "shard-0", "control".
/// Owns: a copy
void set_log_component(std::string_view name);

/// Logs the joined parts (text, numbers, anything with a to_string) as a line, if the level is
/// shown.
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
