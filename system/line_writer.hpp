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

/// What may wait to be written.
struct line_bounds {
  std::size_t lines = 4096;
  std::size_t octets = std::size_t{1} << 20;
};

/// Writes lines to a file or to stderr, from start() on by a thread of its own: whoever reads them may
/// be slow or gone, and nobody who has something to say waits for that. What has no room, and what
/// cannot be written, is lost: a line in its place tells how many there were.
/// Shape:  in the order in which they were given; each is one write, its end included
/// Owns:   the file and the thread, which outlives this where a write does not return
/// Thread: any
class line_writer {
public:
  /// The line that tells of so many lost ones, without its end. It is called where lines are written.
  using lost_text = std::function<std::string(std::uint64_t)>;
  using failure = std::function<void(const os_error&)>;

  line_writer(kernel& k, lost_text text, line_bounds bounds = {});
  ~line_writer();
  line_writer(const line_writer&) = delete;
  line_writer& operator=(const line_writer&) = delete;

  /// Lines go to this file from now on, which is appended to and made if need be; empty: stderr.
  /// Errors: the system's; they go where they went before
  result<void> open(const std::string& path);
  /// Opens the file again before the next line is written, for whoever moves it away; nothing where
  /// lines go to stderr. `failed` is called where lines are written, which go to the old file still.
  void reopen(failure failed);
  /// Before start() it returns when the line is written.
  void write(std::string line);

  void start();
  /// Waits until all is written, but no longer than this: whether it is.
  bool flush(protocol::duration patience);
  /// Ends the thread when all is written; given up after `patience`, or at once where one write has
  /// taken as long already: what is left is lost, and so are lines that come later.
  void stop(protocol::duration patience);
  /// Lines that were lost since the start.
  std::uint64_t lost() const noexcept;

private:
  struct state;
  std::shared_ptr<state> state_;
};

} // namespace tonel::sys
