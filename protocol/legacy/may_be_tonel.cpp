#include "protocol/legacy/stream.hpp"
#include "protocol/wire.hpp"

namespace tonel::protocol::legacy {

namespace {

using namespace std::chrono_literals;

/// Octets of an upload without answers after which trackers' windows have to be opened: the first
/// window is 64 KiB.
constexpr std::uint64_t opener_after = std::uint64_t{16} << 10;
constexpr auto packet_again = 1s;

} // namespace

may_be_tonel::may_be_tonel(profile shown) noexcept : peer(shown, {3s, 3s, 3s, 3s}) {}

void may_be_tonel::on_payload(stream& s, const segment_repr& in, std::int64_t at, bool,
                              time_point now, effects& out) const noexcept {
  s.watch_window();
  s.confirm(now, out);
  s.skip_packet(in, at);
  // A client that still acknowledges nothing has not received our handshake packet, and would take
  // our first datagram for it.
  if (!s.client_ && s.has_packet() && in.ack == s.space_.first() &&
      s.space_.snd_end == s.handshake_packet_->size() && now - s.answered_at_ >= packet_again) {
    s.answered_at_ = now;
    s.send_packet(out);
  }
  s.deliver_data(s.peer_control_, in, at, now, out);
  // An upload of a client whose program is not known yet.
  if (!s.client_ && s.space_.snd_end == 0 && !s.opener_sent_ && s.space_.rcv_end >= opener_after)
    s.send_opener(now, out);
}

void may_be_tonel::on_empty(stream& s, const segment_repr& in, std::int64_t at, std::int64_t,
                            time_point now, effects& out) const noexcept {
  const auto rcv_end = static_cast<std::int64_t>(s.space_.rcv_end);
  if (!s.client_ && at == 0 && in.ack == s.space_.first() && (!s.third_seen_ || rcv_end > 0)) {
    s.third_seen_ = true;
    return;
  }
  if (at + 1 == rcv_end) return; // a TCP keepalive, of a middlebox
  if (!s.awaits_packet_) s.confirm(now, out);
  s.deliver_data(s.peer_control_, in, at, now, out);
}

} // namespace tonel::protocol::legacy
