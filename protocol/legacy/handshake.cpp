#include "protocol/acceptor.hpp"
#include "protocol/legacy/stream.hpp"
#include "protocol/wire.hpp"

#include <algorithm>

namespace tonel::protocol::legacy {

namespace {

using namespace std::chrono_literals;

/// Both programs have buffers of this size.
constexpr std::uint16_t largest_mtu = 1'500;
/// How long the first port's only SYN waits: with the handshake on another port that follows, less
/// than datagrams wait for a session.
constexpr duration first_port_time = 1s;
/// phantun's client repeats its SYN at 1 s and 2 s; later, a SYN begins a new connection.
constexpr auto handshake_time = 3s;
constexpr auto least_repeat = 500ms;
constexpr auto syn_interval = 1s;
constexpr auto new_handshake_time = 5s;

} // namespace

stream stream::connect(const stream_config& config) noexcept {
  stream s{config, true};
  s.space_.iss = {config.join_token};
  return s;
}

stream stream::accept(const stream_config& config, seq_num client_iss, time_point now) noexcept {
  stream s{config, false};
  s.keepalive_ = duration::zero();
  s.space_.iss = config.iss;
  s.space_.irs = client_iss;
  s.closing_.open();
  s.greeted_ = true;
  s.fresh_ = true;
  s.idle_.begin(now);
  s.started_ = now;
  s.mtu_.peer_takes(largest_mtu);
  return s;
}

effects stream::open(time_point now) noexcept {
  effects out;
  if (!client_ || !closing_.is(flow::stage::syn_sent)) return out;
  started_ = now;
  idle_.begin(now);
  on_syn_timer(now, out);
  return out;
}

/// Sends the first or a repeated SYN. The sequence number is the same, so that any SYN-ACK fits.
void stream::on_syn_timer(time_point now, effects& out) noexcept {
  const auto& schedule = peer_->syn_schedule();
  const bool one_syn = schedule.front() == schedule.back();
  const auto patience = one_syn && first_port_ ? first_port_time : schedule.back();
  if (now - started_ >= patience) {
    give_up_port(out);
    return forget(out);
  }
  out.add(send_segment{header(space_.iss, flag::syn), {}});
  timers_.set(timer::attempt, std::min(next_of(schedule, started_, now), started_ + patience));
}

effects stream::on_undelivered(const packet_undelivered& icmp) noexcept {
  return flow::undelivered(icmp, closing_, space_);
}

void stream::on_syn_sent(const segment_repr& in, time_point now, effects& out) noexcept {
  const bool of_our_syn = in.has(flag::ack) && in.ack == space_.first();
  if (in.has(flag::rst)) {
    // The RST of a port without a listener may not acknowledge the SYN.
    const bool uncounted = in.has(flag::ack) && in.ack == space_.iss;
    if (!of_our_syn && !uncounted) {
      out.add(count_drop{errc::out_of_window, 1});
      return;
    }
    ended_ = true;
    out.add(ended{end_reason::refused});
    return forget(out);
  }
  if (of_our_syn && in.has(flag::syn)) return establish(in, now, out);
  // DEVIATION RFC 9293 §3.5: no simultaneous open; a server never sends the first SYN.
  out.add(count_drop{errc::bad_flags, 1});
}

void stream::establish(const segment_repr& in, time_point now, effects& out) noexcept {
  space_.irs = in.seq;
  closing_.open();
  trip_.measured(now - started_);
  // phantun's SYN-ACK has sequence number 0; a number changed by a middlebox is no token.
  learn(token_in(in.seq) != 0 ? profile::tonel : profile::phantun);
  auto mtu = std::uint32_t{largest_mtu};
  if (in.mss != 0) mtu = std::min(mtu, in.mss + header_size(is_v4())); // MSS set by a router
  if (mtu_.peer_takes(mtu)) out.add(mtu_changed{mtu_.max_datagram()});

  started_ = now;
  idle_.begin(now);
  timers_.clear(timer::attempt);
  send_ack(out);
  peer_->established(*this, now, out);
}

/// The server has our third ACK.
void stream::confirmed(time_point now, effects& out) noexcept {
  greeted_ = true;
  timers_.clear(timer::attempt);
  idle_.begin(now);
  if (keepalive_ > duration::zero()) timers_.set(timer::keepalive, now + keepalive_);
  out.add(opened{});
  out.add(greeted{});
}

/// Server: answers the first segment.
void stream::greet(time_point now, effects& out) noexcept {
  fresh_ = false;
  answered_at_ = now;
  // tonel's client drops the first payload whenever it comes. Any answer opens the window of
  // trackers at the client's side, which stop an upload without answers at 128 KiB.
  if (has_packet())
    send_packet(out);
  else
    peer_->greet(*this, now, out);
}

void stream::on_syn(const segment_repr& in, time_point now, effects& out) noexcept {
  if (client_) {
    const bool again = in.has(flag::ack) && in.ack == space_.first() && in.seq == space_.irs;
    if (!again || !peer_->repeats_syn_ack(*this, out)) out.add(count_drop{errc::bad_flags, 1});
    return;
  }
  if (in.has(flag::ack)) {
    out.add(count_drop{errc::bad_flags, 1});
    return;
  }
  if (!is_legacy_syn(in)) return challenge(out, now); // the client's RST will end this
  if (in.seq == space_.irs && now - started_ < handshake_time) {
    // A repeat of this connection's SYN. tonel sends one SYN, which the path may duplicate.
    if (now - started_ >= least_repeat) learn(profile::phantun);
    return;
  }
  if (syn_again_at_ != time_point::min() && now - syn_again_at_ < syn_interval) return;
  if (!answer_new_syn(in, now, out)) return;
  syn_again_ = in.seq;
  syn_again_at_ = now;
}

/// Server: answers the SYN of a client that has lost or ended its stream, and starts anew from the
/// same port. This stream stays until a segment proves that the SYN was the client's own, unless it
/// only waits for late segments.
bool stream::answer_new_syn(const segment_repr& in, time_point now, effects& out) noexcept {
  if (client_ || cookie_ == nullptr || !is_legacy_syn(in)) return false;
  out.add(send_segment{legacy_syn_ack(in, cookie_->token(in.tuple, in.seq, now)), {}});
  return true;
}

bool stream::starts_anew(const segment_repr& in, time_point now) const noexcept {
  if (syn_again_at_ == time_point::min() || now - syn_again_at_ > new_handshake_time) return false;
  const auto at = in.seq - (syn_again_ + 1);
  return at >= 0 && at < static_cast<std::int32_t>(receive_window) &&
         cookie_->proves_token(in.tuple, syn_again_, in.ack, now);
}

} // namespace tonel::protocol::legacy
