#include "protocol/flow/owed_ack.hpp"
#include "protocol/legacy/stream.hpp"
#include "protocol/wire.hpp"

#include <algorithm>

namespace tonel::protocol::legacy {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t never_stuck = std::uint64_t{160} << 10;
/// Longer than 3 s, after which tonel's client probes.
constexpr auto opener_patience = 4s;
constexpr auto stuck_silence = 1s;
/// Unacknowledged octets after which a client moves to a new connection: at 1 GiB trackers drop
/// this one.
constexpr std::uint64_t rotate_after = std::uint64_t{512} << 20;

} // namespace

effects stream::on_timer(time_point now) noexcept {
  effects out;
  if (closing_.is(flow::stage::syn_sent)) {
    if (timers_.due(timer::attempt, now)) on_syn_timer(now, out);
  } else if (closing_.is(flow::stage::open)) {
    on_open_timer(now, out);
  } else if (closing_.on_timer(now) == flow::closing::act::forget) {
    forget(out);
  }
  return out;
}

void stream::on_open_timer(time_point now, effects& out) noexcept {
  if (timers_.due(timer::drained, now)) return end(end_reason::superseded, now, out);
  if (peer_->on_timer(*this, now, out)) return;
  if (timers_.take(timer::opener, now)) {
    on_opener_timer(now, out);
    if (ended_) return;
  }
  if (rotate_) {
    rotate_ = false;
    silent_ = true;
    // An idle download is only worn: a datagram of ours would acknowledge it.
    out.add(went_silent{space_.under_way() < rotate_after});
  }

  if (timers_.due(timer::keepalive, now) || timers_.due(timer::check, now)) {
    if (timers_.is_set(timer::keepalive)) timers_.set(timer::keepalive, now + keepalive_);
    timers_.clear(timer::check);
    // While an answer is awaited, probes are sent anyway.
    if (!awaiting_ && is_open()) {
      send_keepalive(now, out);
      peer_->await_answer(*this, now);
    }
  }
  if (timers_.due(timer::ack, now)) send_ack(out);

  if (idle_.take_woke()) out.add(became_active{});
  if (idle_.take_idle(now)) out.add(went_idle{});
  if (timers_.take(timer::larger, now) && mtu_.forget()) out.add(mtu_changed{mtu_.max_datagram()});
}

void stream::send_keepalive(time_point now, effects& out) noexcept {
  timers_.clear(timer::check);
  if (timers_.is_set(timer::keepalive)) timers_.set(timer::keepalive, now + keepalive_);
  peer_->send_keepalive(*this, out);
}

void stream::owe_ack(time_point now, effects& out) noexcept {
  if (space_.owed() >= flow::most_unacked) return send_ack(out);
  if (!timers_.is_set(timer::ack)) timers_.set(timer::ack, now + flow::delayed_ack);
}

/// Sends a probe, the only segment that neither program hands to its application; the answer shows
/// which program it is.
void stream::send_opener(time_point now, effects& out) noexcept {
  opener_sent_ = true;
  if (client_)
    timers_.clear(timer::opener);
  else
    timers_.set(timer::opener, now + opener_patience);
  send_probe(0, out);
}

/// If the upload was faster than the opener, it has stopped.
void stream::on_opener_timer(time_point now, effects& out) noexcept {
  if (space_.snd_end != 0 || space_.rcv_end >= never_stuck) return; // the window is open
  if (space_.rcv_end < stuck_after || now - idle_.last() < stuck_silence)
    return send_opener(now, out); // the opener or its answer was lost
  peer_->on_stuck_upload(*this, now, out);
}

/// Client: replaces a connection before trackers drop it for too many unacknowledged octets.
void stream::watch_acks() noexcept {
  if (!rotated_up_ && space_.under_way() >= rotate_after) rotated_up_ = rotate_ = true;
  if (!rotated_down_ && space_.owed() >= rotate_after) rotated_down_ = rotate_ = true;
}

time_point stream::deadline() const noexcept {
  switch (closing_.at()) {
  case flow::stage::open:
    return idle_.woke() || rotate_ ? idle_.last() : std::min(timers_.earliest(), idle_.deadline());
  case flow::stage::syn_sent: return timers_.at(timer::attempt);
  default: return closing_.deadline();
  }
}

effects stream::on_resume(time_point now) noexcept {
  effects out;
  if (closing_.is(flow::stage::syn_sent) && now >= started_ && timers_.is_set(timer::attempt)) {
    // The time in suspend does not count for the handshake.
    started_ = now;
    on_syn_timer(now, out);
  } else if (closing_.is(flow::stage::open) && client_) {
    peer_->on_resume(*this, now, out);
  }
  return out;
}

effects stream::on_too_big(const packet_too_big& icmp, time_point now) noexcept {
  effects out;
  const bool believed = closing_.is(flow::stage::open) && icmp.quoted == tuple() &&
                        flow::quotes_what_is_under_way(icmp, space_, {first_id_, headers_.ip_id});
  if (mtu_.on_too_big(icmp, believed, out)) timers_.set(timer::larger, now + flow::icmp_belief);
  return out;
}

} // namespace tonel::protocol::legacy
