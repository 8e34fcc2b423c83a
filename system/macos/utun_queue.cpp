#include "system/macos/utun_queue.hpp"

#include "protocol/run.hpp"
#include "system/macos/abi.hpp"
#include "system/posix/single_segments.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tonel::sys {

namespace {

constexpr std::size_t family_size = 4;
static_assert(family_size + protocol::max_header <= 128);

} // namespace

utun_queue::utun_queue(kernel& k, descriptor fd, std::size_t mtu)
    : kernel_(k), fd_(std::move(fd)), slot_(std::max(slab_writer::small_slot, mtu)) {
  pieces_.reserve(1 + protocol::max_run_segments);
}

utun_queue::~utun_queue() = default;

result<read_state> utun_queue::read(slab_writer& slabs, std::vector<received_packet>& out,
                                    std::size_t max) {
  for (std::size_t tries = 0; tries < max; ++tries) {
    const auto room = slabs.reserve(slot_);
    if (room.data() == nullptr) return read_state::no_slab;
    // What the family says the packet's first octet says too.
    std::array<std::uint8_t, family_size> family{};
    const std::array<iovec, 2> pieces{{{family.data(), family.size()}, {room.data(), slot_}}};
    const long got = kernel_.readv(fd_.get(), pieces.data(), static_cast<int>(pieces.size()));
    if (got < 0) {
      if (got == -EAGAIN) return read_state::drained;
      return unexpected{os_error{static_cast<int>(-got), "read utun", {}}};
    }
    // The end of a kernel control: the device has been taken away.
    if (got == 0) return unexpected{os_error{ENXIO, "read utun", {}}};
    if (static_cast<std::size_t>(got) <= family_size) continue;
    const auto size = static_cast<std::size_t>(got) - family_size;
    out.push_back({slabs.commit(size, size), {}});
  }
  return read_state::more;
}

write_tally utun_queue::write(const std::vector<outgoing_segment>& segments,
                              const std::vector<chunk>& chunks) {
  write_tally tally;
  for (const auto& s : segments) {
    header_[family_size - 1] =
        s.header.tuple.local.address.is_v4() ? darwin::af_inet : darwin::af_inet6;
    const long r = write_each_single(
        s, chunks, {header_.data(), header_.size()}, family_size, pieces_, [this](std::size_t n) {
          return kernel_.writev(fd_.get(), pieces_.data(), static_cast<int>(n));
        });
    ++(r >= 0 ? tally.written : tally.dropped);
  }
  return tally;
}

} // namespace tonel::sys
