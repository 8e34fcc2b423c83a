#include "protocol/flow/owed_ack.hpp"
#include "protocol/native/stream.hpp"
#include "protocol/wire.hpp"

#include <algorithm>
#include <utility>

namespace tonel::protocol::native {

namespace {

using namespace std::chrono_literals;

/// Octets that an ACK may wait for without window scale, where a sender has at most 60,000 under
/// way.
constexpr std::uint64_t most_unacked_unscaled = std::uint64_t{16} << 10;
constexpr duration unscaled_delayed_ack = 50ms;

/// The least time from a segment that needs an answer to the first probe.
constexpr duration first_probe = 2s;
// The first probe is repeated within the time for its answer: of three packets one may be lost, and no
// stream is to be left for that.
constexpr std::uint8_t quick_probes = 8;
/// That time is divided by this for the time between two probes; the last has three parts left.
constexpr int quick_share = quick_probes + 2;
/// Then a client goes on while another stream is being opened, which may be at another server.
constexpr std::uint8_t client_probes = 12;
constexpr duration client_interval = 250ms;
// A server can't open another.
constexpr std::uint8_t server_probes = 3;
constexpr duration server_interval = 1s;

} // namespace

effects stream::on_timer(time_point now) noexcept {
  effects out;
  switch (closing_.at()) {
  case flow::stage::syn_sent:
    if (timers_.due(timer::attempt, now)) on_syn_timer(now, out);
    break;
  case flow::stage::open: on_open_timer(now, out); break;
  case flow::stage::fin_sent:
    if (timers_.due(timer::ack, now)) send_ack(out);
    on_closing_timer(now, out);
    break;
  default: on_closing_timer(now, out); break;
  }
  return out;
}

void stream::on_open_timer(time_point now, effects& out) noexcept {
  if (timers_.due(timer::drained, now)) {
    ended_ = true;
    send_reset(now, out);
    out.add(ended{end_reason::superseded});
    return;
  }
  if (timers_.due(timer::dead, now)) {
    // Without a RST: if the path has forgotten the connection, a segment of the server would draw a
    // RST from the client's host, or make a tracker's entry in the wrong direction.
    ended_ = true;
    out.add(ended{end_reason::dead});
    return forget(out);
  }
  if (on_flight_timer(now, out)) return;
  on_probe_timer(now, out);
  on_compare_timer(now, out);
  if (timers_.take(timer::window, now) && on_full_window(now, out)) return;

  if (timers_.due(timer::keepalive, now) || timers_.due(timer::check, now)) {
    if (timers_.is_set(timer::keepalive)) timers_.set(timer::keepalive, now + keepalive_);
    timers_.clear(timer::check);
    // While an answer is awaited, probes are sent anyway.
    if (!awaiting_ && greeted_ && is_open()) {
      send_keepalive(now, out);
      await_answer(now);
    }
  }
  if (timers_.due(timer::ack, now)) send_ack(out);

  if (idle_.take_woke()) out.add(became_active{});
  if (idle_.take_idle(now)) out.add(went_idle{});
  if (timers_.take(timer::larger, now) && mtu_.forget()) out.add(mtu_changed{mtu_.max_datagram()});
}

void stream::go_silent(effects& out) noexcept {
  if (!std::exchange(silent_, true)) out.add(went_silent{});
}

/// True: the stream was found dead.
bool stream::on_probe_timer(time_point now, effects& out) noexcept {
  if (!timers_.due(timer::probe, now)) return false;
  // A server cannot replace its stream, so it is in no hurry.
  const auto quick = client_ ? quick_probes : std::uint8_t{0};
  if (client_ && probes_ == quick) go_silent(out);
  if (probes_ < quick + (client_ ? client_probes : server_probes)) {
    ++probes_;
    const auto share = trip_.patience() / quick_share;
    timers_.set(timer::probe, now + (probes_ < quick    ? share
                                     : probes_ == quick ? trip_.patience() - (quick - 1) * share
                                     : client_          ? client_interval
                                                        : server_interval));
    send_keepalive(now, out);
    return false;
  }
  // A server goes on sending: only a silence of 3.5 keepalive intervals ends its stream.
  timers_.clear(timer::probe);
  if (!client_) return false;
  ended_ = true;
  send_reset(now, out);
  out.add(ended{end_reason::dead});
  return true;
}

/// All of a full unscaled window was lost, and trackers let nothing follow: only a new connection
/// can go on. True: this stream has ended.
bool stream::on_full_window(time_point now, effects& out) noexcept {
  if (client_) {
    go_silent(out);
    return false;
  }
  ended_ = true;
  send_reset(now, out); // the client opens another stream
  out.add(ended{end_reason::dead});
  return true;
}

/// Its SEQ is below the peer's RCV.NXT even if everything under way was lost, so the peer must
/// answer.
/// Source: RFC 9293 §3.8.4
void stream::send_keepalive(time_point now, effects& out) noexcept {
  timers_.clear(timer::check);
  if (timers_.is_set(timer::keepalive)) timers_.set(timer::keepalive, now + keepalive_);
  // DEVIATION RFC 9293 §3.8.4: SEQ is the highest ack received - 1, not SND.NXT - 1.
  auto keepalive = header(space_.highest_ack() - 1, flag::ack);
  // DEVIATION RFC 9293 §3.8.6: the window asks to be repeated.
  keepalive.window = question_.window(now);
  out.add(send_segment{keepalive, {}});
}

/// A segment lies so far ahead that only the peer can confirm it.
void stream::ask(time_point now, effects& out) noexcept {
  if (question_.may_be_asked(now)) send_keepalive(now, out);
}

/// Answers an empty segment with an ACK that repeats its window.
void stream::answer(const segment_repr& in, effects& out) noexcept {
  auto ack = header(snd_nxt(), flag::ack);
  if (question::is_asked_by(in)) ack.window = in.window;
  out.add(send_segment{ack, {}});
}

void stream::measured(duration sample) noexcept {
  if (comparison_) comparison_->fellows->measured(sample);
  trip_.measured(sample);
}

/// A datagram, hello or keepalive was sent; the first since the peer's last segment starts the
/// timer. A live peer acknowledges within 1 s, and its ACK takes a round trip.
void stream::await_answer(time_point now) noexcept {
  if (awaiting_ || !greeted_ || !is_open()) return;
  awaiting_ = true;
  probes_ = 0;
  timers_.set(timer::probe, now + std::max(first_probe, flow::delayed_ack + trip_.patience()));
}

void stream::owe_ack(time_point now, effects& out) noexcept {
  if (space_.owed() >= (unscaled_ ? most_unacked_unscaled : flow::most_unacked))
    return send_ack(out);
  if (!timers_.is_set(timer::ack))
    timers_.set(timer::ack, now + (unscaled_ ? unscaled_delayed_ack : flow::delayed_ack));
}

time_point stream::deadline() const noexcept {
  switch (closing_.at()) {
  case flow::stage::open:
    return idle_.woke() ? idle_.last() : std::min(timers_.earliest(), idle_.deadline());
  case flow::stage::syn_sent: return timers_.at(timer::attempt);
  case flow::stage::fin_sent: return std::min(closing_.deadline(), timers_.at(timer::ack));
  default: return closing_.deadline();
  }
}

effects stream::on_resume(time_point now) noexcept {
  effects out;
  if (closing_.is(flow::stage::syn_sent) && now >= started_ && timers_.is_set(timer::attempt)) {
    // The time in suspend does not count for the handshake.
    started_ = now;
    syn_repeated_ = true;
    on_syn_timer(now, out);
  } else if (closing_.is(flow::stage::open) && client_ && !greeted_) {
    started_ = now;
    timers_.set(timer::attempt, now);
    on_flight_timer(now, out);
  } else if (is_open() && client_) {
    // The path may have changed: sends the first probe at once, as if it were due.
    awaiting_ = true;
    probes_ = 1;
    timers_.set(timer::probe, now + trip_.patience() / quick_share);
    send_keepalive(now, out);
  } else if (closing_.is(flow::stage::open) && !client_ && timers_.is_set(timer::dead)) {
    timers_.set(timer::dead, now + keepalive_ * 7 / 2);
  }
  return out;
}

effects stream::on_too_big(const packet_too_big& icmp, time_point now) noexcept {
  effects out;
  const bool believed = closing_.is(flow::stage::open) && icmp.quoted == tuple() &&
                        flow::quotes_what_is_under_way(icmp, space_, {acked_id_, headers_.ip_id});
  if (mtu_.on_too_big(icmp, believed, out)) timers_.set(timer::larger, now + flow::icmp_belief);
  return out;
}

} // namespace tonel::protocol::native
