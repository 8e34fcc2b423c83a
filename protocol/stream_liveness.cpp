#include "protocol/stream.hpp"
#include "protocol/wire.hpp"

#include <algorithm>

namespace tonel::protocol {

namespace {

using namespace std::chrono_literals;

constexpr auto delayed_ack = 1s;
constexpr std::uint64_t most_unacked = std::uint64_t{64} << 20;
constexpr auto icmp_belief = 10min;

} // namespace

effects stream::on_timer(time_point now) noexcept {
  effects out;
  switch (state_) {
  case state::syn_sent:
    if (now >= attempt_at_) on_syn_timer(now, out);
    break;
  case state::open: on_open_timer(now, out); break;
  case state::fin_sent:
    if (now >= ack_at_) send_ack(out);
    if (now >= attempt_at_) on_fin_timer(now, out);
    break;
  case state::last_ack:
    if (now >= attempt_at_) on_fin_timer(now, out);
    break;
  case state::time_wait:
  case state::reset_sent:
    if (now >= linger_until_) forget(out);
    break;
  case state::gone: break;
  }
  return out;
}

void stream::on_open_timer(time_point now, effects& out) noexcept {
  if (now >= superseded_at_) {
    ended_ = true;
    send_reset(now, out);
    out.add(ended{end_reason::superseded});
    return;
  }
  if (now >= dead_at_) {
    // Without a word: if the path has forgotten this connection, a server that speaks first draws a
    // RST from the client's host, or an entry the wrong way round.
    ended_ = true;
    out.add(ended{end_reason::dead});
    return forget(out);
  }
  if (on_flight_timer(now, out)) return;
  if (on_probe_timer(now, out)) return;
  if (!rules().hello) on_window_timer(now, out);

  if (now >= keepalive_at_ || now >= check_at_) {
    if (keepalive_at_ != never) keepalive_at_ = now + config_.keepalive;
    check_at_ = never;
    // While an answer is awaited, the probes do the asking.
    if (!awaiting_ && greeted_ && is_open()) {
      send_keepalive(now, out);
      await_answer(now);
    }
  }
  if (now >= ack_at_) send_ack(out);

  if (woke_) {
    woke_ = false;
    out.add(became_active{});
  }
  if (now >= idle_at()) {
    idle_ = true;
    out.add(went_idle{});
  }
  if (now >= larger_at_) {
    larger_at_ = never;
    icmp_mtu_ = 65'535;
    update_mtu(&out);
  }
}

/// True when the stream was found dead.
bool stream::on_probe_timer(time_point now, effects& out) noexcept {
  if (now < probe_at_) return false;
  if (probes_ == 1 && client_ && !silent_) {
    silent_ = true;
    out.add(went_silent{});
  }
  if (probes_ < rules().probe_count) {
    ++probes_;
    probe_at_ = now + rules().probe_interval;
    send_keepalive(now, out);
    return false;
  }
  // A native server goes on sending: only the silence of 3.5 K ends its stream.
  probe_at_ = never;
  if (!client_ && !rules().probes_end_server) return false;
  ended_ = true;
  send_reset(now, out);
  out.add(ended{end_reason::dead});
  return true;
}

/// Below the peer's RCV.NXT even if all that is under way was lost, so it must answer.
/// Source: RFC 9293 §3.8.4
void stream::send_keepalive(time_point now, effects& out) noexcept {
  check_at_ = never;
  if (keepalive_at_ != never) keepalive_at_ = now + config_.keepalive;
  if (!rules().hello) {
    // phantun answers nothing, and does not mind an ACK that keeps the path's memory fresh.
    if (rules().answers_probes)
      send_probe(0, out);
    else
      send_ack(out);
    return;
  }
  // DEVIATION RFC 9293 §3.8.4: SEQ is the highest ack received - 1, not SND.NXT - 1.
  out.add(send_segment{header(highest_ack() - 1, flag::ack), {}});
}

/// A datagram, hello or keepalive went out; the first since the peer was last heard starts the
/// clock.
void stream::await_answer(time_point now) noexcept {
  if (awaiting_ || !greeted_ || !is_open() || !rules().answers_probes) return;
  awaiting_ = true;
  probes_ = 0;
  // A live native peer acknowledges within 1 s. tonel's client probes after 3 s itself: let it.
  const bool let_it = !client_ && !rules().hello;
  probe_at_ = now + rules().first_probe + (let_it ? 1s : 0s);
}

/// Data came in. An entry with one unacknowledged octet has minutes to live in a tracker, and its
/// days back only after an ack of exactly the highest.
/// DEVIATION RFC 9293 §3.8.6.3: the ACK may wait for 1 s and 64 MiB, nothing is sent again anyway.
void stream::owe_ack(time_point now, effects& out) noexcept {
  if (rcv_end_ - ack_sent_ >= most_unacked) return send_ack(out);
  if (ack_at_ == never) ack_at_ = now + delayed_ack;
}

time_point stream::idle_at() const noexcept {
  if (idle_ || config_.idle_timeout <= duration::zero()) return never;
  return last_datagram_ + config_.idle_timeout;
}

std::optional<time_point> stream::deadline() const noexcept {
  auto at = never;
  switch (state_) {
  case state::syn_sent:
  case state::last_ack: at = attempt_at_; break;
  case state::fin_sent: at = std::min(attempt_at_, ack_at_); break;
  case state::open:
    if (woke_ || rotate_) return last_datagram_;
    at = std::min({attempt_at_, ack_at_, keepalive_at_, check_at_, probe_at_, dead_at_, larger_at_,
                   superseded_at_, opener_at_, idle_at()});
    break;
  case state::time_wait:
  case state::reset_sent: at = linger_until_; break;
  case state::gone: break;
  }
  if (at == never) return std::nullopt;
  return at;
}

effects stream::on_resume(time_point now) noexcept {
  effects out;
  if (state_ == state::syn_sent && now >= started_ && attempt_at_ != never) {
    // The time asleep doesn't count against the handshake.
    started_ = now;
    on_syn_timer(now, out);
  } else if (state_ == state::open && client_ && !greeted_) {
    started_ = now;
    attempt_at_ = now;
    on_flight_timer(now, out);
  } else if (is_open() && client_ && rules().answers_probes) {
    // The path may be another by now: the first probe at once, a second later the verdict on it.
    awaiting_ = true;
    probes_ = 1;
    probe_at_ = now + rules().probe_interval;
    send_keepalive(now, out);
  } else if (state_ == state::open && !client_ && dead_at_ != never) {
    dead_at_ = now + config_.keepalive * 7 / 2;
  }
  return out;
}

effects stream::on_too_big(const packet_too_big& icmp, time_point now) noexcept {
  effects out;
  // Whoever forges one must know a sequence number that is under way (RFC 5927 §4.1).
  const auto behind = snd_nxt() - icmp.seq;
  const bool ours = state_ == state::open && icmp.quoted == config_.tuple && behind >= 0 &&
                    behind <= static_cast<std::int32_t>(receive_window);
  const auto mtu = std::max(icmp.mtu, least_mtu(is_v4()));
  if (!ours || mtu >= max_datagram_ + header_size(is_v4())) {
    out.add(count_drop{errc::icmp_ignored, 1});
    return out;
  }
  icmp_mtu_ = static_cast<std::uint16_t>(mtu);
  larger_at_ = now + icmp_belief;
  update_mtu(&out);
  return out;
}

void stream::update_mtu(effects* out) noexcept {
  const auto heard = std::max<std::uint32_t>(std::min(peer_mtu_, icmp_mtu_), least_mtu(is_v4()));
  const auto mtu = std::min<std::uint32_t>(config_.mtu, heard);
  const auto header = header_size(is_v4());
  const auto largest = mtu > header ? mtu - header : 0;
  if (largest == max_datagram_) return;
  max_datagram_ = largest;
  if (out != nullptr) out->add(mtu_changed{largest});
}

} // namespace tonel::protocol
