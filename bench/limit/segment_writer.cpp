#include "bench/limit/segment_writer.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace tonel::bench {
namespace {

constexpr std::size_t syn_options = 12;

} // namespace

segment_writer::run& segment_writer::run_for(session& to, std::size_t segment) {
  if (to.batch == batch_) {
    auto& open = runs_[to.open_run];
    if (!open.full && open.segment >= segment && segment > 0) return open;
  }
  if (used_ == runs_.size()) runs_.emplace_back();
  to.batch = batch_;
  to.open_run = used_;
  auto& fresh = runs_[used_++];
  fresh.to = &to;
  fresh.part_count = 1;
  fresh.size = 0;
  fresh.segment = segment;
  fresh.segments = 0;
  fresh.full = false;
  fresh.push = false;
  return fresh;
}

void segment_writer::add(session& to, const std::uint8_t* bytes, std::size_t size,
                         std::size_t segment) {
  if (segment == 0) segment = size;
  if (segment > mss_) {
    ++too_large_;
    return;
  }
  std::size_t at = 0;
  do {
    auto left = size - at;
    auto& one = run_for(to, std::min(left, segment));
    // A shorter datagram ends the run; several of another size begin one of their own.
    const bool several = left > segment;
    if (several && one.segment != segment) {
      one.full = true;
      continue;
    }
    const auto room = std::min(max_segments - one.segments,
                               one.segment == 0 ? 1 : (max_payload - one.size) / one.segment);
    if (room == 0) {
      one.full = true;
      continue;
    }
    const auto take = std::min(left, one.segment * room);
    one.parts[one.part_count++] = {const_cast<std::uint8_t*>(bytes + at), take};
    one.size += take;
    one.segments += one.segment == 0 ? 1 : (take + one.segment - 1) / one.segment;
    if (one.segment == 0 || take % one.segment != 0 || one.segments == max_segments)
      one.full = true;
    at += take;
  } while (at < size);
}

void segment_writer::flush(instant now) {
  if (used_ == 0) return;
  // PSH on a stream's last segment of the wake-up only: it ends every merging on the way.
  for (std::size_t i = used_; i-- > 0;) {
    auto& one = runs_[i];
    one.push = one.size == 0 || one.to->pushed != batch_;
    one.to->pushed = batch_;
  }
  for (std::size_t i = 0; i < used_; ++i)
    write(runs_[i], now);
  used_ = 0;
  ++batch_;
}

void segment_writer::write(run& one, instant now) {
  std::array<std::uint8_t, vnet_size + headers_size> headers;
  auto& to = *one.to;
  const auto flags = static_cast<std::uint8_t>(one.push ? ack | psh : ack);
  make_headers(headers.data(), to, flags, to.snd_nxt, 0, one.size, one.segment, one.segments, now);
  one.parts[0] = {headers.data(), headers.size()};
  to.snd_nxt += static_cast<std::uint32_t>(one.size);
  if (writev(tun_, one.parts.data(), static_cast<int>(one.part_count)) < 0) ++failed_;
}

void segment_writer::write_bare(session& to, std::uint8_t flags, std::uint32_t seq, instant now) {
  std::array<std::uint8_t, vnet_size + headers_size + syn_options> bytes;
  const std::size_t options = (flags & syn) != 0 ? syn_options : 0;
  make_headers(bytes.data(), to, flags, seq, options, 0, 0, 1, now);
  if (options != 0) {
    auto* out = bytes.data() + vnet_size + headers_size;
    const std::uint8_t tail[] = {1, 1, 4, 2, 1, 3, 3, 14}; // SACK permitted, window scale 14
    out[0] = 2;
    out[1] = 4;
    store16(out + 2, mss_);
    std::memcpy(out + 4, tail, sizeof tail);
  }
  if (::write(tun_, bytes.data(), vnet_size + headers_size + options) < 0) ++failed_;
}

void segment_writer::make_headers(std::uint8_t* out, session& to, std::uint8_t flags,
                                  std::uint32_t seq, std::size_t option_size, std::size_t payload,
                                  std::size_t segment, std::size_t segments, instant now) {
  std::memset(out, 0, vnet_size + headers_size);
  const auto tcp_length = tcp_size + option_size;
  // virtio_net_hdr, little-endian on this machine: flags, gso_type, hdr_len, gso_size, csum_start,
  // csum_offset. The kernel finishes the checksum, and splits what is longer than gso_size.
  out[0] = vnet_needs_csum;
  out[1] = segments > 1 ? vnet_gso_tcpv4 : 0;
  const auto header_length = static_cast<std::uint16_t>(ip_size + tcp_length);
  const auto gso_size = static_cast<std::uint16_t>(segments > 1 ? segment : 0);
  const std::uint16_t tail[] = {header_length, gso_size, ip_size, 16};
  std::memcpy(out + 2, tail, sizeof tail);

  auto* ip = out + vnet_size;
  ip[0] = 0x45;
  store16(ip + 2, ip_size + tcp_length + payload);
  store16(ip + 4, (flags & syn) != 0 && (flags & ack) != 0 ? 0 : to.ip_id);
  to.ip_id = static_cast<std::uint16_t>(to.ip_id + segments);
  store16(ip + 6, 0x4000); // DF
  ip[8] = 64;
  ip[9] = 6;
  store32(ip + 12, to.path.local_address);
  store32(ip + 16, to.path.remote_address);
  const auto sum = sum_words(ip, 10) + to.address_sum;
  store16(ip + 10, static_cast<std::uint16_t>(~fold(sum)));

  auto* tcp = ip + ip_size;
  store16(tcp, to.path.local_port);
  store16(tcp + 2, to.path.remote_port);
  store32(tcp + 4, seq);
  if ((flags & ack) != 0) {
    store32(tcp + 8, to.rcv_nxt);
    to.acked = to.rcv_nxt;
    to.acked_at = now;
  }
  tcp[12] = static_cast<std::uint8_t>(tcp_length / 4 << 4);
  tcp[13] = flags;
  store16(tcp + 14, (flags & syn) != 0 ? 65535 / mss_ * mss_ : 65535);
  const auto length = static_cast<std::uint32_t>(tcp_length + payload);
  store16(tcp + 16, fold(to.address_sum + 6 + (length & 0xffff) + (length >> 16)));
}

} // namespace tonel::bench
