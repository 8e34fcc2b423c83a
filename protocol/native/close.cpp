#include "protocol/acceptor.hpp"
#include "protocol/native/stream.hpp"
#include "protocol/wire.hpp"

namespace tonel::protocol::native {

namespace {

using namespace std::chrono_literals;
using act = flow::closing::act;

/// How long a superseded stream reads on.
constexpr auto drain = 3s;

} // namespace

effects stream::close(time_point now, bool at_exit) noexcept {
  effects out;
  if (closing_.is(flow::stage::syn_sent)) {
    ended_ = true;
    out.add(ended{end_reason::closed_by_us});
    forget(out);
  } else if (closing_.is(flow::stage::open)) {
    closing_.close(now, at_exit);
    ++space_.snd_end;
    send_fin(out);
  }
  return out;
}

effects stream::reset(time_point now) noexcept {
  effects out;
  if (closing_.is(flow::stage::gone) || closing_.is(flow::stage::reset_sent)) return out;
  const bool said = ended_;
  ended_ = true;
  if (closing_.is(flow::stage::syn_sent)) {
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
  timers_.set(timer::drained, now + drain);
  timers_.clear({timer::probe, timer::keepalive, timer::check, timer::compare});
  awaiting_ = false;
  return {};
}

/// RFC 5961 §3.2: a RST counts at exactly RCV.NXT; elsewhere in the window it gets a challenge ACK.
void stream::on_reset(const segment_repr& in, time_point now, effects& out) noexcept {
  const auto ahead = in.seq - rcv_nxt();
  if (ahead == 0) {
    const bool closed = closing_.is(flow::stage::fin_sent);
    if (!ended_) out.add(ended{closed ? end_reason::closed_by_us : end_reason::reset});
    ended_ = true;
    return forget(out);
  }
  out.add(count_drop{errc::out_of_window, 1});
  if (ahead > 0 && ahead < static_cast<std::int32_t>(receive_window)) challenge(in, now, out);
}

/// Sends a bare ACK with both ends' numbers: a peer without the stream answers by a RST that
/// counts, a peer with it ignores the ACK, and trackers on the way learn the connection's numbers.
void stream::challenge(const segment_repr& in, time_point now, effects& out) noexcept {
  if (challenges_.take(now, challenge_budget_))
    answer(in, out);
  else
    out.add(count_drop{errc::rst_limited, 1});
}

/// A FIN counts at exactly RCV.NXT only, so that no guess ends a stream. Behind missing octets it
/// waits until the peer has confirmed how far it has sent.
void stream::on_fin_segment(std::int64_t at, std::int64_t end, std::int64_t expected,
                            time_point now, effects& out) noexcept {
  if (at == expected || end - 1 == expected) {
    space_.rcv_end = static_cast<std::uint64_t>(end);
    return on_fin(now, out);
  }
  if (at < expected) return; // the peer has sent octets after it, so it is no FIN of the peer
  fin_ahead_ = static_cast<std::uint64_t>(end);
  ask(now, out);
}

/// The peer's FIN; RCV.NXT covers it.
void stream::on_fin(time_point now, effects& out) noexcept {
  ended_ = true;
  if (closing_.on_fin(now) == act::send_fin) {
    ++space_.snd_end;
    send_fin(out);
    out.add(ended{end_reason::closed_by_peer});
    return;
  }
  send_ack(out);
  out.add(ended{end_reason::closed_by_us});
  if (closing_.is(flow::stage::gone)) out.add(forgotten{});
}

void stream::send_fin(effects& out) noexcept {
  out.add(send_segment{header(snd_nxt() - 1, flag::fin | flag::ack), {}});
}

void stream::on_closing_timer(time_point now, effects& out) noexcept {
  const auto what = closing_.on_timer(now);
  if (what == act::send_fin) return send_fin(out);
  if (what != act::forget) return;
  if (!ended_) out.add(ended{end_reason::closed_by_us});
  ended_ = true;
  forget(out);
}

/// Sends a RST with SEQ = SND.NXT. The stream stays: if segments were lost, the peer's RCV.NXT is
/// lower, and its challenge ACK names the number that a further RST needs.
void stream::send_reset(time_point now, effects& out) noexcept {
  out.add(send_segment{header(snd_nxt(), flag::rst | flag::ack), {}});
  closing_.reset(now);
}

void stream::on_closing(const segment_repr& in, time_point now, effects& out) noexcept {
  if (in.has(flag::syn)) {
    // A new connection of the same 4-tuple must not wait until this one is forgotten.
    if (in.has(flag::ack)) return;
    if (!client_ && cookie_ != nullptr && is_native_syn(in))
      out.add(send_segment{native_syn_ack(in, cookie_->isn(in.tuple, now), device_mtu_), {}});
    return forget(out);
  }
  if (in.has(flag::rst)) {
    // A RST has no effect in TIME-WAIT (RFC 1337 §3), and no RST is ever answered.
    if (closing_.is(flow::stage::last_ack) && in.seq == rcv_nxt()) forget(out);
    return;
  }
  const auto ack = space_.position_of_ack(in.ack);
  const bool ack_ok = in.ack <= snd_nxt() && ack >= static_cast<std::int64_t>(space_.acked);
  if (ack_ok) space_.acked = static_cast<std::uint64_t>(ack);

  switch (closing_.on_late(in.has(flag::fin), space_.under_way() == 0, now)) {
  case act::send_fin: return send_fin(out);
  case act::send_ack: return send_ack(out);
  case act::send_reset:
    // Trackers call a RST below the highest ack invalid.
    out.add(send_segment{header(ack_ok ? in.ack : snd_nxt(), flag::rst | flag::ack), {}});
    return;
  case act::forget: return forget(out);
  case act::nothing: return;
  }
}

void stream::forget(effects& out) noexcept {
  closing_.forget();
  out.add(forgotten{});
}

} // namespace tonel::protocol::native
