#include "protocol/run.hpp"

#include <algorithm>
#include <cassert>

namespace tonel::protocol {

namespace {

/// The datagrams' real size: a lone one may be announced with a larger datagram_size.
std::uint32_t real_size(std::uint32_t length, std::uint32_t datagram_size) noexcept {
  return std::min(length, datagram_size);
}

} // namespace

std::uint32_t run_builder::room(std::uint32_t length, std::uint32_t datagram_size) const noexcept {
  assert(datagram_size != 0 || length == 0);
  if (closed_) return 0;
  const auto size = real_size(length, datagram_size);
  if (size == 0) return empty() ? 1 : 0;

  auto most = std::min(datagrams_in(length, size),
                       static_cast<std::uint32_t>(max_run_segments) - datagrams_);
  if (!empty()) {
    if (size > datagram_size_) return 0;
    // Of shorter datagrams one may end this run; a second one would follow a short one.
    if (size < datagram_size_) most = std::min(most, 1u);
  }
  const auto left = capacity_ - bytes_;
  const auto needed = std::min<std::uint64_t>(length, std::uint64_t{most} * size);
  if (needed <= left) return most;
  return static_cast<std::uint32_t>(left / size);
}

bool run_builder::take(std::uint32_t length, std::uint32_t datagram_size) noexcept {
  const auto size = real_size(length, datagram_size);
  const auto count = datagrams_in(length, size);
  if (room(length, size) < count) return false;
  const auto run_size = empty() ? size : datagram_size_;
  datagrams_ += count;
  bytes_ += length;
  datagram_size_ = run_size;
  closed_ = length == 0 || length % run_size != 0;
  return true;
}

} // namespace tonel::protocol
