#include "protocol/legacy/peer.hpp"

#include "protocol/legacy/stream.hpp"

namespace tonel::protocol::legacy {

const peer& peer_that(profile shows) noexcept {
  switch (shows) {
  case profile::tonel: return tonel_peer();
  case profile::phantun: return phantun_peer();
  default: return unknown_peer();
  }
}

void peer::established(stream&, time_point, effects&) const noexcept {}
bool peer::repeats_syn_ack(stream&, effects&) const noexcept { return false; }
std::uint16_t peer::group_token(const stream&) const noexcept { return 0; }
void peer::greet(stream&, time_point, effects&) const noexcept {}
void peer::heard(stream&, time_point) const noexcept {}
void peer::on_empty(stream&, const segment_repr&, std::int64_t, std::int64_t, time_point,
                    effects&) const noexcept {}
const peer& peer::shows(profile) const noexcept { return *this; }
void peer::on_spoilt_ack(stream&, effects&) const noexcept {}
void peer::on_doubtful_reset(stream&, time_point, effects&) const noexcept {}
void peer::await_answer(stream&, time_point) const noexcept {}
void peer::delivered(stream&, time_point) const noexcept {}
bool peer::on_timer(stream&, time_point, effects&) const noexcept { return false; }
void peer::on_resume(stream&, time_point, effects&) const noexcept {}

/// Sends an ACK, which opens the window: tonel, whose application would see the ACK, would have
/// probed by now.
void peer::on_stuck_upload(stream& s, time_point, effects& out) const noexcept {
  s.send_ack(out);
  s.send_probe(0, out);
}

/// Refreshes the entries of NATs and trackers on the path.
void peer::send_keepalive(stream& s, effects& out) const noexcept { s.send_ack(out); }

} // namespace tonel::protocol::legacy
