#pragma once

#include "protocol/bytes.hpp"
#include "protocol/time.hpp"
#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace tonel::sys {

/// A file for a capture, open and nobody else's; its content is still what it was.
struct capture_file {
  descriptor fd;
  std::string path;

  /// Opens it, or makes it with mode 0600, which it then has in any case.
  /// Errors: those of open(2); EINVAL: no regular file; EWOULDBLOCK: another program captures into it
  static result<capture_file> open(const std::string& path);
};

/// Units: nanoseconds since 1970
std::int64_t wall_clock();

/// How a capture is, or how the last one ended.
struct capture_status {
  bool on = false;
  std::string file; ///< empty: there was none
  std::uint64_t packets = 0;
  std::uint64_t octets = 0; ///< of the file
  std::uint64_t limit = 0;  ///< for it
  std::uint64_t lost = 0;   ///< packets that there was no room for, here or on the disk
  bool limit_reached = false;
  std::string problem; ///< why packets could not be written; empty: they could
};

/// Writes the packets of all queues of a device to one pcapng file, while that is wanted.
/// Shape:  what devices add waits in blocks of 1 MiB, 16 at most, and for `rest`, so that the
///         reason of a drop can be added; a packet without room is lost and counted, and nobody waits for the disk
/// Owns:   the file, and a thread that writes it
/// Thread: any; start() and stop() one at a time, they may block
class packet_capture {
public:
  struct settings {
    std::string program;   ///< that writes, with its version
    std::string interface; ///< the device
    std::chrono::milliseconds rest{20};
    std::chrono::milliseconds patience{1'000}; ///< for a disk that hangs when the capture is to end
    /// Told, on the writer's thread, that the limit is reached, or that the file cannot be written.
    std::function<void(const capture_status&)> tell = nullptr;
    std::function<std::int64_t()> clock = wall_clock; ///< any thread's
    kernel* system = &real_kernel();
  };

  explicit packet_capture(settings chosen);
  ~packet_capture();
  packet_capture(const packet_capture&) = delete;
  packet_capture& operator=(const packet_capture&) = delete;

  /// Empties the file and begins; ends by itself before the file would be larger than `limit` octets.
  /// Errors: EBUSY: a capture is on, or the disk of the last one still hangs; those of ftruncate(2)
  ///         and write(2)
  result<void> start(capture_file file, std::uint64_t limit);
  /// Writes what waits, and ends. False: none was on.
  bool stop();
  capture_status status() const;
  /// Whether packets are to be added.
  bool on() const noexcept { return on_->load(std::memory_order_relaxed); }

  /// A packet as its device had it.
  struct packet {
    std::int64_t time = 0; ///< nanoseconds of the wall clock
    bool outbound = false;
    bool unfinished = false; ///< its TCP checksum is still to be computed
    std::uint32_t queue = 0;
    const char* dropped = nullptr; ///< why, a literal; null: it was not
  };
  static constexpr std::uint64_t none = ~std::uint64_t{0};
  /// Copies the pieces, together one packet; gives its number, or none where there was no room.
  std::uint64_t add(const packet& about, const protocol::byte_view* pieces, std::size_t count);
  /// What became of a packet; too late where it is in the file already.
  void note_dropped(std::uint64_t number, const char* reason) noexcept;
  std::int64_t now() const { return clock_(); }

private:
  struct state;
  std::shared_ptr<state> state_; ///< shared with the thread, which a disk may hold up for long
  const std::atomic<bool>* on_;
  std::function<std::int64_t()> clock_;
  std::unique_ptr<class worker> writer_;
};

} // namespace tonel::sys
