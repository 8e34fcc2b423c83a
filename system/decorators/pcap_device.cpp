#include "system/decorators/pcap_device.hpp"

#include "protocol/packet.hpp"
#include "protocol/run.hpp"

#include <algorithm>
#include <array>

namespace tonel::sys {

namespace {

// The name of the counter of the same drops.
constexpr const char* refused = "tun_write_dropped";

} // namespace

result<read_state> pcap_device::read(slab_writer& slabs, std::vector<received_packet>& out,
                                     std::size_t max) {
  const auto first = out.size();
  auto state = inner().read(slabs, out, max);
  seen_.clear();
  if (capture_.on()) record_read(out, first);
  return state;
}

void pcap_device::record_read(const std::vector<received_packet>& packets, std::size_t first) {
  next_dropped_ = 0;
  packet_capture::packet about;
  about.time = capture_.now();
  about.queue = queue_;
  for (auto i = first; i < packets.size(); ++i) {
    about.unfinished = packets[i].offload.checksum_vouched;
    const auto octets = packets[i].bytes.bytes();
    seen_.push_back({octets.data(), capture_.add(about, &octets, 1)});
  }
}

void pcap_device::dropped(const chunk& packet, const char* reason) noexcept {
  if (seen_.empty()) return;
  const auto* at = packet.bytes().data();
  const auto here = seen_.begin() + static_cast<std::ptrdiff_t>(next_dropped_);
  const auto is_it = [at](const seen_packet& s) { return s.at == at; };
  auto found = std::find_if(here, seen_.end(), is_it);
  if (found == seen_.end() && (found = std::find_if(seen_.begin(), here, is_it)) == here) return;
  next_dropped_ = static_cast<std::size_t>(found - seen_.begin());
  capture_.note_dropped(found->number, reason);
}

write_tally pcap_device::write(const std::vector<outgoing_segment>& segments,
                               const std::vector<chunk>& chunks) {
  if (!capture_.on()) return inner().write(segments, chunks);
  write_tally all;
  for (const auto& each : segments) {
    // One by one, to know which are lost; the device makes a call for each anyway.
    one_.assign(1, each);
    const auto tally = inner().write(one_, chunks);
    all.written += tally.written;
    all.dropped += tally.dropped;
    record_written(each, chunks, inner().offload(), tally.dropped != 0);
  }
  return all;
}

void pcap_device::record_written(const outgoing_segment& segment, const std::vector<chunk>& chunks,
                                 bool whole, bool lost) {
  packet_capture::packet about;
  about.time = capture_.now();
  about.outbound = true;
  about.unfinished = true;
  about.queue = queue_;
  about.dropped = lost ? refused : nullptr;
  payload_.clear();
  for (auto i = segment.first; i < segment.first + segment.count; ++i) {
    const auto piece = chunks[i].bytes();
    payload_.insert(payload_.end(), piece.begin(), piece.end());
  }
  const protocol::byte_view payload{payload_.data(), segment.length};
  const auto count = protocol::datagrams_in(segment.length, segment.datagram_size);
  if (whole || count == 1) return record(about, segment.header, payload);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto offset = i * segment.datagram_size;
    const auto length = std::min(segment.datagram_size, segment.length - offset);
    record(
        about,
        protocol::nth_header(segment.header, offset, static_cast<std::uint16_t>(i), i + 1 == count),
        payload.subview(offset, length));
  }
}

void pcap_device::record(const packet_capture::packet& about,
                         const protocol::segment_header& header, protocol::byte_view payload) {
  std::array<std::uint8_t, protocol::max_header> head{};
  const auto size =
      protocol::write_partial_header({head.data(), head.size()}, header, payload.size());
  const std::array<protocol::byte_view, 2> pieces{protocol::byte_view{head.data(), size}, payload};
  capture_.add(about, pieces.data(), pieces.size());
}

} // namespace tonel::sys
