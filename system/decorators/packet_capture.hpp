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

/// A file for a capture, open and locked; its content is kept until the capture starts.
struct capture_file {
  descriptor fd;
  std::string path;

  /// Opens the file, or makes it; sets mode 0600 in any case.
  /// Errors: those of open(2); EINVAL: no regular file; EWOULDBLOCK: another capture writes it
  static result<capture_file> open(const std::string& path);
};

/// The time of the wall clock.
/// Units: nanoseconds since 1970
std::int64_t wall_clock();

/// The state of a capture, or of the last one.
struct capture_status {
  bool on = false;
  std::string file; ///< empty: no capture so far
  std::uint64_t packets = 0;
  std::uint64_t octets = 0; ///< size of the file
  std::uint64_t limit = 0;  ///< of the file's size
  std::uint64_t lost = 0;   ///< packets without room, in memory or on the disk
  bool limit_reached = false;
  std::string problem; ///< why packets could not be written; empty: none
};

/// Writes the packets of all queues of a device to a pcapng file, while a capture is on.
/// Shape:  packets wait in blocks of 1 MiB, 16 at most, and for `rest`, so that the reason of a
///         drop can be added. A packet without room is lost and counted; no queue waits for the
///         disk
/// Owns:   the file, and a thread that writes it
/// Thread: any; start() and stop() one at a time, they may block
class packet_capture {
public:
  struct settings {
    std::string program;   ///< the writing program, with its version
    std::string interface; ///< name of the device
    std::chrono::milliseconds rest{20};
    std::chrono::milliseconds patience{1'000}; ///< for a hanging disk, at the capture's end
    /// Called on the writer's thread when the limit is reached, or the file cannot be written.
    std::function<void(const capture_status&)> tell = nullptr;
    std::function<std::int64_t()> clock = wall_clock; ///< called on any thread
    kernel* system = &real_kernel();
  };

  explicit packet_capture(settings chosen);
  ~packet_capture();
  packet_capture(const packet_capture&) = delete;
  packet_capture& operator=(const packet_capture&) = delete;

  /// Empties the file and starts; ends by itself before the file would exceed `limit` octets.
  /// Errors: EBUSY: a capture is on, or the disk of the last one still hangs; those of ftruncate(2)
  ///         and write(2)
  result<void> start(capture_file file, std::uint64_t limit);
  /// Writes waiting packets, and ends the capture. False: no capture was on.
  bool stop();
  capture_status status() const;
  /// Whether packets are to be added.
  bool on() const noexcept { return on_->load(std::memory_order_relaxed); }

  /// A packet as it passed its device.
  struct packet {
    std::int64_t time = 0; ///< nanoseconds of the wall clock
    bool outbound = false;
    bool unfinished = false; ///< its TCP checksum has to be computed
    std::uint32_t queue = 0;
    const char* dropped = nullptr; ///< reason of a drop, a literal; null: not dropped
  };
  static constexpr std::uint64_t none = ~std::uint64_t{0};
  /// Adds a packet by copying its pieces; gives its number, or `none` without room.
  std::uint64_t add(const packet& about, const protocol::byte_view* pieces, std::size_t count);
  /// Adds the reason of a drop, unless the packet is in the file already.
  void note_dropped(std::uint64_t number, const char* reason) noexcept;
  std::int64_t now() const { return clock_(); }

private:
  struct state;
  std::shared_ptr<state> state_; ///< shared with the thread, which may hang in a write
  const std::atomic<bool>* on_;
  std::function<std::int64_t()> clock_;
  std::unique_ptr<class worker> writer_;
};

} // namespace tonel::sys
