#pragma once

#include "protocol/packet.hpp"
#include "system/os_error.hpp"
#include "system/slab.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tonel::sys {

/// One IP packet as read; `bytes` is the whole packet.
struct received_packet {
  chunk bytes;
  protocol::offload_repr offload;
};

/// A segment or super-segment to write: its header and the pieces of its payload.
/// Shape: payload is chunks [first, first + count) of the batch; together one run of datagrams of
///        datagram_size (the last may be shorter); count 0 for no payload
struct outgoing_segment {
  protocol::segment_header header;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t length = 0; ///< octets of payload
  std::uint32_t datagram_size = 0;
};

/// The state after a read.
enum class read_state : std::uint8_t {
  drained, ///< nothing more to read now
  more,    ///< `max` was reached
  no_slab, ///< the pool is empty: stop watching until it has slabs again
  gone,    ///< somebody has deleted the device: stop watching until renew() has another
};

/// The outcome of write(), in outgoing segments.
struct write_tally {
  std::uint32_t written = 0;
  std::uint32_t dropped = 0; ///< the device's queue was full, or it refused (ENOBUFS, EINVAL, EIO)
};

/// One queue of a TUN device, batch in and batch out.
/// Thread: one at a time
class packet_device {
public:
  virtual ~packet_device() = default;
  /// The descriptor to watch; -1: none.
  virtual int fd() const noexcept = 0;
  /// Appends at most `max` packets to `out`.
  /// Errors: any other failure of the read
  virtual result<read_state> read(slab_writer& slabs, std::vector<received_packet>& out,
                                  std::size_t max) = 0;
  /// Writes each segment, with segmentation offload where it works, else cut into single segments
  /// with complete checksums. After a device has refused a super-segment (EINVAL, EIO), its offload
  /// stays off; the segment is written again as single ones.
  virtual write_tally write(const std::vector<outgoing_segment>& segments,
                            const std::vector<chunk>& chunks) = 0;
  /// Whether super-segments are written and read as such now.
  virtual bool offload() const noexcept = 0;
  /// Takes the descriptor of the device made in place of the one that is gone; true: fd() has
  /// changed. Unwatch the old descriptor first.
  virtual bool renew() { return false; }
  /// Notes that a packet of the last read() was dropped. reason: a literal
  virtual void dropped(const chunk& /*packet*/, const char* /*reason*/) noexcept {}
};

} // namespace tonel::sys
