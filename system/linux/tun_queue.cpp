#include "system/linux/tun_queue.hpp"

#include "protocol/run.hpp"
#include "system/linux/vnet_header.hpp"
#include "system/posix/single_segments.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tonel::sys {

namespace {

using protocol::offload_repr;

offload_repr offload_of(const vnet_header& h) noexcept {
  offload_repr o;
  o.checksum_vouched = (h.flags & (vnet::needs_checksum | vnet::data_valid)) != 0;
  const auto type = h.gso_type & ~vnet::gso_ecn;
  if (type == vnet::gso_tcp4 || type == vnet::gso_tcp6) o.segment_size = h.gso_size;
  return o;
}

constexpr std::size_t vnet_size = sizeof(vnet_header);
static_assert(vnet_size + protocol::max_header <= 128);

} // namespace

tun_queue::tun_queue(kernel& k, descriptor fd, mode m)
    : kernel_(k), fd_(std::move(fd)), mode_(m), offload_(m.offload && m.vnet) {
  pieces_.reserve(1 + protocol::max_run_segments);
}

tun_queue::~tun_queue() = default;

void tun_queue::offer(descriptor fd, mode m) {
  const std::lock_guard guard{offer_mutex_};
  offered_ = offered_queue{std::move(fd), m};
}

bool tun_queue::renew() {
  const std::lock_guard guard{offer_mutex_};
  if (!offered_) return false;
  fd_ = std::move(offered_->fd);
  mode_ = offered_->how;
  offload_ = mode_.offload && mode_.vnet;
  offered_.reset();
  return true;
}

result<read_state> tun_queue::read(slab_writer& slabs, std::vector<received_packet>& out,
                                   std::size_t max) {
  const bool large = mode_.vnet && mode_.offload;
  const std::size_t slot =
      large ? slab_writer::small_slot : std::max(slab_writer::small_slot, mode_.mtu);
  for (std::size_t tries = 0; tries < max; ++tries) {
    const auto room = slabs.reserve(slot);
    if (room.data() == nullptr) return read_state::no_slab;
    vnet_header header;
    std::array<iovec, 3> pieces{};
    int count = 0;
    if (mode_.vnet) pieces[static_cast<std::size_t>(count++)] = {&header, vnet_size};
    pieces[static_cast<std::size_t>(count++)] = {room.data(), slot};
    if (large) {
      if (slabs.stock(1) == 0) return read_state::no_slab;
      // A larger packet continues in the reserve slab, which has room for its head in front.
      pieces[static_cast<std::size_t>(count++)] = {slabs.spare(0) + slot,
                                                   slab_ref::capacity() - slot};
    }
    const long got = kernel_.readv(fd_.get(), pieces.data(), count);
    if (got < 0) {
      if (got == -EAGAIN) return read_state::drained;
      // The device was deleted; EIO: its deletion has begun.
      if (got == -EBADFD || got == -EIO) return read_state::gone;
      // The vnet header cannot describe this packet: it is lost, but the device still works.
      if (got == -EINVAL && mode_.vnet) continue;
      return unexpected{os_error{static_cast<int>(-got), "read TUN", {}}};
    }
    const auto offset = mode_.vnet ? vnet_size : 0;
    if (static_cast<std::size_t>(got) < offset) continue;
    const auto size = static_cast<std::size_t>(got) - offset;
    if (size <= slot) {
      out.push_back({slabs.commit(size, size), offload_of(header)});
    } else {
      std::memcpy(slabs.spare(0), room.data(), slot);
      out.push_back({slabs.commit_spare(0, size, size), offload_of(header)});
    }
  }
  return read_state::more;
}

long tun_queue::write_pieces(std::size_t count) noexcept {
  return kernel_.writev(fd_.get(), pieces_.data(), static_cast<int>(count));
}

/// Writes a (super-)segment with a vnet header: the kernel or the network card fills in the
/// checksum and cuts the super-segment.
long tun_queue::write_whole(const outgoing_segment& s, const std::vector<chunk>& chunks) {
  const protocol::byte_span ip{header_.data() + vnet_size, header_.size() - vnet_size};
  const auto size = protocol::write_partial_header(ip, s.header, s.length);
  const bool v4 = s.header.tuple.local.address.is_v4();
  vnet_header header;
  header.flags = vnet::needs_checksum;
  header.checksum_start = v4 ? 20 : 40;
  header.checksum_offset = 16; // of the field, in the TCP header
  if (protocol::datagrams_in(s.length, s.datagram_size) > 1) {
    header.gso_type = v4 ? vnet::gso_tcp4 : vnet::gso_tcp6;
    header.gso_size = static_cast<std::uint16_t>(s.datagram_size);
    header.header_length = static_cast<std::uint16_t>(size);
  }
  std::memcpy(header_.data(), &header, vnet_size);
  pieces_.clear();
  pieces_.push_back(piece(header_.data(), vnet_size + size));
  for (std::size_t i = s.first; i < std::size_t{s.first} + s.count; ++i)
    if (chunks[i].length != 0)
      pieces_.push_back(piece(chunks[i].slab.data() + chunks[i].offset, chunks[i].length));
  return write_pieces(pieces_.size());
}

long tun_queue::write_singles(const outgoing_segment& s, const std::vector<chunk>& chunks) {
  const auto offset = mode_.vnet ? vnet_size : 0;
  std::memset(header_.data(), 0, vnet_size);
  return write_each_single(s, chunks, {header_.data(), header_.size()}, offset, pieces_,
                           [this](std::size_t count) { return write_pieces(count); });
}

write_tally tun_queue::write(const std::vector<outgoing_segment>& segments,
                             const std::vector<chunk>& chunks) {
  write_tally tally;
  for (const auto& s : segments) {
    long r = 0;
    if (offload_) {
      r = write_whole(s, chunks);
      if (r == -EINVAL || r == -EIO) {
        r = write_singles(s, chunks);
        // EIO also means that the device is down. Only if singles pass is the offload at fault
        // (some kernels refuse every TCP super-segment of a TUN).
        if (r >= 0) offload_ = false;
      }
    } else {
      r = write_singles(s, chunks);
    }
    ++(r >= 0 ? tally.written : tally.dropped);
  }
  return tally;
}

} // namespace tonel::sys
