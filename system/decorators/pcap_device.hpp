#pragma once

#include "system/decorators/decorator.hpp"
#include "system/decorators/packet_capture.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tonel::sys {

/// A packet_device whose packets are recorded as they pass it: a super-segment is one large packet,
/// with a complete checksum.
/// Shape: without a capture, a call costs one load more
/// Owns:  nothing; inner device and capture outlive it
class pcap_device final : public packet_device_decorator {
public:
  pcap_device(packet_device& inner, packet_capture& to, std::uint32_t queue) noexcept
      : packet_device_decorator(inner), capture_(to), queue_(queue) {}

  result<read_state> read(slab_writer& slabs, std::vector<received_packet>& out,
                          std::size_t max) override;
  write_tally write(const std::vector<outgoing_segment>& segments,
                    const std::vector<chunk>& chunks) override;
  void dropped(const chunk& packet, const char* reason) noexcept override;

private:
  /// A packet of the last read(), found by its address.
  struct seen_packet {
    const std::uint8_t* at;
    std::uint64_t number;
  };
  void record_read(const std::vector<received_packet>& packets, std::size_t first);
  void record_written(const outgoing_segment& segment, const std::vector<chunk>& chunks, bool whole,
                      bool lost);
  void record(const packet_capture::packet& about, const protocol::segment_header& header,
              protocol::byte_view payload);

  packet_capture& capture_;
  std::uint32_t queue_;
  std::vector<seen_packet> seen_;
  std::size_t next_dropped_ = 0; ///< where to look next: drops come mostly in order
  std::vector<outgoing_segment> one_;
  std::vector<std::uint8_t> payload_;
};

} // namespace tonel::sys
