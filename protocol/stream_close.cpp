#include "protocol/acceptor.hpp"
#include "protocol/stream.hpp"
#include "protocol/wire.hpp"

#include <algorithm>

namespace tonel::protocol {

namespace {

using namespace std::chrono_literals;

// Times since the first FIN; the last one is where the wait for its answer ends.
constexpr std::array<duration, 4> fin_schedule{1s, 2s, 4s, 8s};
constexpr std::array<duration, 2> exit_schedule{500ms, 1500ms};
constexpr auto linger = 10s;
/// The older dialects' peers may send on for minutes, with an ack field that no RST can be made
/// from.
constexpr auto legacy_linger = 2min;
constexpr auto drain = 3s;
// One of the first always, of the second as long as the shard's budget lasts.
constexpr auto sure_challenge_interval = 5s;
constexpr auto challenge_interval = 500ms;
constexpr auto reset_interval = 100ms;

} // namespace

effects stream::close(time_point now, bool at_exit) noexcept {
  effects out;
  if (state_ == state::syn_sent) {
    ended_ = true;
    out.add(ended{end_reason::closed_by_us});
    forget(out);
  } else if (state_ == state::open && !rules().hello) {
    // Those peers take a FIN for a datagram.
    ended_ = true;
    send_reset(now, out);
    out.add(ended{end_reason::closed_by_us});
    if (at_exit) forget(out);
  } else if (state_ == state::open) {
    at_exit_ = at_exit;
    state_ = state::fin_sent;
    start_fin(now, out);
  }
  return out;
}

effects stream::reset(time_point now) noexcept {
  effects out;
  if (state_ == state::gone || state_ == state::reset_sent) return out;
  const bool said = ended_;
  ended_ = true;
  if (state_ == state::syn_sent) {
    out.add(ended{end_reason::closed_by_us});
    forget(out);
    return out;
  }
  send_reset(now, out);
  if (!said) out.add(ended{end_reason::closed_by_us});
  return out;
}

effects stream::supersede(time_point now) noexcept {
  if (!is_open()) return {};
  superseded_at_ = now + drain;
  awaiting_ = false;
  probe_at_ = keepalive_at_ = check_at_ = compare_at_ = never;
  return {};
}

/// RFC 5961 §3.2: a RST counts at exactly RCV.NXT; elsewhere in the window its sender is asked.
void stream::on_reset(const segment_repr& in, time_point now, effects& out) noexcept {
  const auto ahead = in.seq - rcv_nxt();
  if (ahead == 0) {
    if (!ended_)
      out.add(ended{state_ == state::fin_sent ? end_reason::closed_by_us : end_reason::reset});
    ended_ = true;
    return forget(out);
  }
  out.add(count_drop{errc::out_of_window, 1});
  if (ahead > 0 && ahead < static_cast<std::int32_t>(receive_window)) challenge(in, now, out);
}

/// A bare ACK that names both ends' numbers: a peer that lost its state answers it with a RST that
/// counts, one that has it ignores it, and trackers on the way learn where the connection stands.
/// What one stream draws, others can't have: so the limit is each stream's own first.
void stream::challenge(const segment_repr& in, time_point now, effects& out) noexcept {
  const auto since = challenged_ == time_point::min() ? duration::max() : now - challenged_;
  const bool allowed = since >= sure_challenge_interval ||
                       (since >= challenge_interval && config_.challenge_limit != nullptr &&
                        config_.challenge_limit->take(now));
  if (!allowed) {
    out.add(count_drop{errc::rst_limited, 1});
    return;
  }
  challenged_ = now;
  answer(in, out);
}

/// The peer's FIN; rcv_end_ covers it.
void stream::on_fin(time_point now, effects& out) noexcept {
  if (state_ == state::fin_sent) {
    ended_ = true;
    send_ack(out);
    out.add(ended{end_reason::closed_by_us});
    if (at_exit_) return forget(out);
    state_ = state::time_wait;
    linger_until_ = now + linger;
    return;
  }
  // DEVIATION RFC 9293 §3.6: no half-close; a FIN is answered by a FIN at once.
  ended_ = true;
  state_ = state::last_ack;
  start_fin(now, out);
  out.add(ended{end_reason::closed_by_peer});
}

void stream::start_fin(time_point now, effects& out) noexcept {
  started_ = now;
  attempt_at_ = now + (at_exit_ ? exit_schedule.front() : fin_schedule.front());
  ++snd_end_;
  send_fin(out);
}

void stream::send_fin(effects& out) noexcept {
  out.add(send_segment{header(snd_nxt() - 1, flag::fin | flag::ack), {}});
}

void stream::on_fin_timer(time_point now, effects& out) noexcept {
  const auto last = at_exit_ ? exit_schedule.back() : fin_schedule.back();
  if (now - started_ >= last) {
    if (!ended_) out.add(ended{end_reason::closed_by_us});
    ended_ = true;
    return forget(out);
  }
  send_fin(out);
  attempt_at_ =
      at_exit_ ? next_of(exit_schedule, started_, now) : next_of(fin_schedule, started_, now);
}

/// SEQ = SND.NXT, with state kept: where segments were lost, the peer's RCV.NXT is lower, and its
/// challenge names the number that it will obey.
void stream::send_reset(time_point now, effects& out) noexcept {
  out.add(send_segment{header(snd_nxt(), flag::rst | flag::ack), {}});
  state_ = state::reset_sent;
  linger_until_ = now + (rules().hello || client_ ? duration{linger} : duration{legacy_linger});
  answered_at_ = time_point::min();
}

void stream::on_closing(const segment_repr& in, time_point now, effects& out) noexcept {
  if (in.has(flag::syn)) {
    // A new connection of the same 4-tuple must not wait for our memory.
    if (in.has(flag::ack)) return;
    answer_new_syn(in, now, out);
    return forget(out);
  }
  if (in.has(flag::rst)) {
    // TIME-WAIT obeys none (RFC 1337 §3); nothing answers a RST.
    if (state_ == state::last_ack && in.seq == rcv_nxt()) forget(out);
    return;
  }
  const std::int64_t ack = static_cast<std::int64_t>(snd_end_) + (in.ack - snd_nxt());
  const bool ack_ok = in.ack <= snd_nxt() && ack >= static_cast<std::int64_t>(acked_);
  if (ack_ok) acked_ = static_cast<std::uint64_t>(ack);

  switch (state_) {
  case state::last_ack:
    if (acked_ == snd_end_) return forget(out);
    if (in.has(flag::fin)) send_fin(out);
    break;
  case state::time_wait:
    if (in.has(flag::fin)) send_ack(out);
    break;
  case state::reset_sent:
    // Below the highest ack, trackers call a RST invalid.
    if (answered_at_ != time_point::min() && now - answered_at_ < reset_interval) break;
    answered_at_ = now;
    out.add(send_segment{header(ack_ok ? in.ack : snd_nxt(), flag::rst | flag::ack), {}});
    break;
  default: break;
  }
}

/// The peer has lost its end, or is done with it, and starts anew from the same port. What is left of
/// the old connection's stays until a segment proves that the SYN was the peer's own, unless it only
/// waits for late segments.
bool stream::answer_new_syn(const segment_repr& in, time_point now, effects& out) noexcept {
  if (client_ || config_.cookie == nullptr || is_legacy_syn(in) == rules().hello) return false;
  if (rules().hello)
    out.add(send_segment{native_syn_ack(in, config_.cookie->isn(in.tuple, now), config_.mtu), {}});
  else
    out.add(send_segment{legacy_syn_ack(in, config_.cookie->token(in.tuple, in.seq, now)), {}});
  return true;
}

void stream::forget(effects& out) noexcept {
  state_ = state::gone;
  out.add(forgotten{});
}

} // namespace tonel::protocol
