#include "system/fake/memory_devices.hpp"

#include "protocol/checksum.hpp"
#include "protocol/run.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tonel::sys {

namespace {

std::vector<std::uint8_t> gather(const std::vector<chunk>& chunks, std::uint32_t first,
                                 std::uint32_t count) {
  std::vector<std::uint8_t> all;
  for (auto i = first; i < first + count; ++i) {
    const auto piece = chunks[i].bytes();
    all.insert(all.end(), piece.begin(), piece.end());
  }
  return all;
}

} // namespace

readiness::readiness() : event_(real_kernel(), real_kernel().eventfd()) {}

void readiness::set(bool ready) noexcept {
  if (ready_.exchange(ready) == ready) return;
  std::uint64_t n = 1;
  if (ready)
    real_kernel().write(event_.get(), &n, sizeof n);
  else
    real_kernel().read(event_.get(), &n, sizeof n);
}

std::vector<std::uint8_t> memory_packet_device::written_segment::packet() const {
  std::vector<std::uint8_t> p(header.size());
  protocol::write_partial_header(p, header, payload.size());
  protocol::finish_checksum(p, protocol::inet_checksum{}.add(payload));
  p.insert(p.end(), payload.begin(), payload.end());
  return p;
}

void memory_packet_device::push(std::vector<std::uint8_t> packet, protocol::offload_repr offload) {
  incoming_.push_back({std::move(packet), offload});
  readable_.set(true);
}

void memory_packet_device::push(const written_segment& segment) {
  protocol::offload_repr o;
  o.checksum_vouched = true;
  if (protocol::datagrams_in(static_cast<std::uint32_t>(segment.payload.size()),
                             segment.datagram_size) > 1)
    o.segment_size = static_cast<std::uint16_t>(segment.datagram_size);
  push(segment.packet(), o);
}

result<read_state> memory_packet_device::read(slab_writer& slabs, std::vector<received_packet>& out,
                                              std::size_t max) {
  if (const int e = std::exchange(read_error, 0); e != 0)
    return unexpected{os_error{e, "read TUN", "memory"}};
  if (gone) return read_state::gone;
  for (; max > 0 && !incoming_.empty(); --max) {
    auto& next = incoming_.front();
    auto c = slabs.append(next.packet);
    if (!c.slab) return read_state::no_slab;
    out.push_back({std::move(c), next.offload});
    incoming_.pop_front();
  }
  if (!incoming_.empty()) return read_state::more;
  readable_.set(false);
  return read_state::drained;
}

void memory_packet_device::vanish() {
  gone = true;
  incoming_.clear();
  readable_.set(true);
}

bool memory_packet_device::renew() {
  if (!std::exchange(made_again, false)) return false;
  gone = false;
  readable_.set(!incoming_.empty());
  return true;
}

void memory_packet_device::keep(written_segment s) {
  written.push_back(std::move(s));
  if (on_write) on_write(written_segment{written.back()});
}

write_tally memory_packet_device::write(const std::vector<outgoing_segment>& segments,
                                        const std::vector<chunk>& chunks) {
  write_tally tally;
  for (const auto& s : segments) {
    if (full || gone) {
      ++tally.dropped;
      continue;
    }
    ++tally.written;
    auto payload = gather(chunks, s.first, s.count);
    const auto count = protocol::datagrams_in(s.length, s.datagram_size);
    if (with_offload || count == 1) {
      keep({s.header, std::move(payload), s.datagram_size});
      continue;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto at = i * s.datagram_size;
      const auto n = std::min(s.datagram_size, s.length - at);
      const auto first = payload.begin() + at;
      keep({protocol::nth_header(s.header, at, static_cast<std::uint16_t>(i), i + 1 == count),
            {first, first + n},
            n});
    }
  }
  return tally;
}

void memory_datagram_socket::push(const protocol::endpoint& peer,
                                  std::vector<std::uint8_t> datagram) {
  const auto size = static_cast<std::uint32_t>(datagram.size());
  push({{peer, {}, 0}, std::move(datagram), size});
}

void memory_datagram_socket::push(datagrams d) {
  incoming_.push_back(std::move(d));
  readable_.set(true);
}

result<read_state> memory_datagram_socket::receive(slab_writer& slabs,
                                                   std::vector<received_datagrams>& out,
                                                   std::size_t max) {
  for (std::size_t got = 0; got < max && !incoming_.empty();) {
    auto& next = incoming_.front();
    auto c = slabs.append(next.bytes);
    if (!c.slab) return read_state::no_slab;
    c.datagram_size = next.datagram_size;
    got += protocol::datagrams_in(c.length, c.datagram_size);
    out.push_back({next.path, std::move(c)});
    incoming_.pop_front();
  }
  if (!incoming_.empty()) return read_state::more;
  readable_.set(false);
  return read_state::drained;
}

send_tally memory_datagram_socket::send(const std::vector<outgoing_run>& runs,
                                        const std::vector<chunk>& chunks) {
  send_tally tally;
  for (const auto& r : runs) {
    const auto count = protocol::datagrams_in(r.length, r.datagram_size);
    (full ? tally.dropped : refused ? tally.refused : tally.sent) += count;
    if (refused) error = ECONNREFUSED;
    if (full || refused) continue;
    sent.push_back({r.path, gather(chunks, r.first, r.count), r.datagram_size});
    if (on_send) on_send(datagrams{sent.back()});
  }
  return tally;
}

} // namespace tonel::sys
