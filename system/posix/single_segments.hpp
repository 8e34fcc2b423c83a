#pragma once

#include "protocol/checksum.hpp"
#include "protocol/run.hpp"
#include "system/packet_device.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tonel::sys {

inline iovec piece(const std::uint8_t* data, std::size_t size) noexcept {
  // writev does not write through it.
  return {const_cast<std::uint8_t*>(data), size};
}

/// Writes each datagram of a segment as a packet of its own with a complete checksum: lays out the
/// pieces of the packet, of which the first holds `prefix` octets of the device's own header and
/// the IP and TCP header, and calls write(number of pieces). Gives the last result, or the first
/// failure, which would be the same for all packets.
/// Shape: header is overwritten for each packet, except the prefix, which the caller has written
template <class Write>
long write_each_single(const outgoing_segment& s, const std::vector<chunk>& chunks,
                       protocol::byte_span header, std::size_t prefix, std::vector<iovec>& pieces,
                       Write write) {
  const auto count = protocol::datagrams_in(s.length, s.datagram_size);
  const protocol::byte_span ip{header.data() + prefix, header.size() - prefix};
  std::size_t at = s.first;  // the present chunk
  std::uint32_t inside = 0;  // octets written of it
  std::uint32_t written = 0; // octets written of the run
  long last = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto length = count == 1 ? s.length : std::min(s.datagram_size, s.length - written);
    const auto head = count == 1
                          ? s.header
                          : protocol::nth_header(s.header, written, static_cast<std::uint16_t>(i),
                                                 i + 1 == count);
    const auto size = protocol::write_partial_header(ip, head, length);
    pieces.clear();
    pieces.push_back(piece(header.data(), prefix + size));
    protocol::inet_checksum sum;
    for (auto left = length; left > 0;) {
      const chunk& c = chunks[at];
      const auto n = std::min(left, c.length - inside);
      const std::uint8_t* data = c.slab.data() + c.offset + inside;
      if (n != 0) {
        sum = sum.add({data, n});
        pieces.push_back(piece(data, n));
      }
      left -= n;
      inside += n;
      if (inside == c.length) {
        ++at;
        inside = 0;
      }
    }
    protocol::finish_checksum({ip.data(), size}, sum);
    last = write(pieces.size());
    if (last < 0) return last;
    written += length;
  }
  return last;
}

} // namespace tonel::sys
