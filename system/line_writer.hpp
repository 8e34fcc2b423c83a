#pragma once

#include "protocol/time.hpp"
#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace tonel::sys {

/// The most that may wait to be written.
struct line_bounds {
  std::size_t lines = 4096;
  std::size_t octets = std::size_t{1} << 20;
};

/// Writes lines to a file or to stderr, from start() on by a thread of its own, so that no caller
/// waits for a slow reader. Lines without room, and lines that cannot be written, are lost; a line
/// in their place tells their number.
/// Shape:  in order; each line is one write, with its newline
/// Owns:   the file and the thread, which outlives this object if a write does not return
/// Thread: any
class line_writer {
public:
  /// Makes the line that tells the number of lost lines, without newline. Called by the writing
  /// thread.
  using lost_text = std::function<std::string(std::uint64_t)>;
  using failure = std::function<void(const os_error&)>;

  /// Writes to stderr until open().
  line_writer(kernel& k, lost_text text, line_bounds bounds = {});
  ~line_writer();
  line_writer(const line_writer&) = delete;
  line_writer& operator=(const line_writer&) = delete;

  /// Writes to this file from now on, appending, and makes it if need be; empty: stderr.
  /// Errors: the system's; lines go where they went before
  result<void> open(const std::string& path);
  /// Opens the file again before the next line, after it was moved away; no effect for stderr.
  /// `failed` is called by the writing thread; lines then still go to the old file.
  void reopen(failure failed);
  /// Queues the line; before start() writes it at once.
  void write(std::string line);

  /// Starts the thread.
  void start();
  /// Waits until all lines are written, at most `patience`; false: not all are.
  bool flush(protocol::duration patience);
  /// Ends the thread once all lines are written. Gives up after `patience`, or at once if a write
  /// has already taken as long; remaining and later lines are then lost.
  void stop(protocol::duration patience);
  /// The number of lines lost since the start.
  std::uint64_t lost() const noexcept;

private:
  struct state;
  std::shared_ptr<state> state_;
};

} // namespace tonel::sys
