#include "protocol/legacy/stream.hpp"
#include "protocol/wire.hpp"

namespace tonel::protocol::legacy {

namespace {

using namespace std::chrono_literals;

/// Clients may send on for minutes, with an ack field from which no RST can be made.
constexpr duration server_linger = 2min;
/// How long a superseded stream reads on.
constexpr auto drain = 3s;
/// How far ahead a RST may lie: datagrams in front of it may be lost.
constexpr std::int32_t reset_room = 65'535;

} // namespace

effects stream::close(time_point now, bool at_exit) noexcept {
  effects out;
  if (closing_.is(flow::stage::syn_sent)) {
    ended_ = true;
    out.add(ended{end_reason::closed_by_us});
    forget(out);
  } else if (closing_.is(flow::stage::open)) {
    end(end_reason::closed_by_us, now, out); // legacy peers take a FIN for a datagram
    if (at_exit) forget(out);
  }
  return out;
}

effects stream::reset(time_point now) noexcept {
  effects out;
  if (closing_.is(flow::stage::gone) || closing_.is(flow::stage::reset_sent)) return out;
  if (closing_.is(flow::stage::syn_sent)) return close(now, false);
  end(end_reason::closed_by_us, now, out);
  return out;
}

effects stream::supersede(time_point now) noexcept {
  if (!is_open()) return {};
  timers_.set(timer::drained, now + drain);
  timers_.clear({timer::probe, timer::keepalive, timer::check});
  awaiting_ = false;
  return {};
}

void stream::on_reset(const segment_repr& in, time_point now, effects& out) noexcept {
  const auto ahead = in.seq - rcv_nxt();
  const bool in_place = ahead >= 0 && ahead <= reset_room;
  if (!greeted_) {
    // tonel's server refuses an odd handshake by a RST with sequence number 0.
    if (in_place || in.seq.raw == 0) {
      give_up_port(out);
      return forget(out);
    }
  } else if (in_place) {
    ended_ = true;
    out.add(ended{client_ ? end_reason::reset : end_reason::closed_by_peer});
    return forget(out);
  }
  out.add(count_drop{errc::out_of_window, 1});
  if (greeted_) peer_->on_doubtful_reset(*this, now, out);
}

/// Sends a RST with SEQ = SND.NXT. The stream stays, since late segments come.
void stream::send_reset(time_point now, effects& out) noexcept {
  out.add(send_segment{header(snd_nxt(), flag::rst | flag::ack), {}});
  closing_.reset(now, client_ ? flow::closing::linger : server_linger);
}

void stream::end(end_reason why, time_point now, effects& out) noexcept {
  const bool said = ended_;
  ended_ = true;
  send_reset(now, out);
  if (!said) out.add(ended{why});
}

void stream::on_closing(const segment_repr& in, time_point now, effects& out) noexcept {
  if (in.has(flag::syn)) {
    // A new connection of the same 4-tuple must not wait until this one is forgotten.
    if (in.has(flag::ack)) return;
    answer_new_syn(in, now, out);
    return forget(out);
  }
  if (in.has(flag::rst)) return; // no RST is ever answered
  const auto ack = space_.position_of_ack(in.ack);
  const bool ack_ok = in.ack <= snd_nxt() && ack >= static_cast<std::int64_t>(space_.acked);
  if (ack_ok) space_.acked = static_cast<std::uint64_t>(ack);
  const auto what = closing_.on_late(in.has(flag::fin), false, now);
  if (what != flow::closing::act::send_reset) return;
  // Trackers call a RST below the highest ack invalid.
  out.add(send_segment{header(ack_ok ? in.ack : snd_nxt(), flag::rst | flag::ack), {}});
}

void stream::forget(effects& out) noexcept {
  closing_.forget();
  out.add(forgotten{});
}

} // namespace tonel::protocol::legacy
