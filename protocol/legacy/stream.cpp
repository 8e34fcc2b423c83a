#include "protocol/legacy/stream.hpp"

#include "protocol/flow/delivery.hpp"
#include "protocol/run.hpp"
#include "protocol/wire.hpp"

#include <algorithm>

namespace tonel::protocol::legacy {

namespace {

using namespace std::chrono_literals;

/// The most wrong acks of an unproven client.
constexpr std::uint8_t most_wrong_acks = 16;
/// A datagram sent this recently crosses the probe, and is as good an answer. The real answer,
/// coming after it, would be taken for a zero-length datagram.
constexpr auto crossing_time = 1s;
/// The most octets before the peer's first segment, since trackers read a SYN's window unscaled.
constexpr std::uint64_t first_window = 60'000;

} // namespace

const char* to_string(timer t) noexcept {
  switch (t) {
  case timer::attempt: return "attempt";
  case timer::ack: return "ack";
  case timer::keepalive: return "keepalive";
  case timer::check: return "check";
  case timer::probe: return "probe";
  case timer::larger: return "larger";
  case timer::drained: return "drained";
  case timer::opener: return "opener";
  case timer::count: break;
  }
  return "?";
}

stream::stream(const stream_config& config, bool client) noexcept
    : peer_(&peer_that(config.wire)), headers_{config.tuple, config.ip_id},
      closing_(flow::stage::syn_sent), idle_(config.idle_timeout),
      mtu_(config.mtu, config.tuple.local.address.is_v4()), keepalive_(config.keepalive),
      handshake_packet_(config.handshake_packet), answers_(config.answers),
      challenge_budget_(config.challenge_limit), cookie_(config.cookie), first_id_(config.ip_id),
      client_(client), joins_(config.join_token != 0), last_port_(config.last_port),
      first_port_(config.first_port) {}

effects stream::on_segment(const segment_repr& in, byte_view, time_point now) noexcept {
  effects out;
  if (!flags_can_be(in.flags)) {
    out.add(count_drop{errc::bad_flags, 1});
    return out;
  }
  switch (closing_.at()) {
  case flow::stage::syn_sent: on_syn_sent(in, now, out); break;
  case flow::stage::open: on_open(in, now, out); break;
  case flow::stage::gone: out.add(count_drop{errc::no_stream, 1}); break;
  default: on_closing(in, now, out); break;
  }
  return out;
}

void stream::on_open(const segment_repr& in, time_point now, effects& out) noexcept {
  if (fresh_) greet(now, out);
  if (in.has(flag::rst)) return on_reset(in, now, out);
  if (in.has(flag::syn)) return on_syn(in, now, out);
  if (in.has(flag::fin)) {
    out.add(count_drop{errc::bad_flags, 1}); // legacy peers send no FIN
    return;
  }
  if (starts_anew(in, now)) {
    // This segment is lost with the stream; the next one proves the new handshake to the acceptor.
    ended_ = true;
    out.add(ended{end_reason::closed_by_peer});
    return forget(out);
  }
  const bool empty = in.payload_length == 0;
  if (empty && in.ack.raw == 0) return on_probe(in, now, out);

  const auto rcv_end = static_cast<std::int64_t>(space_.rcv_end);
  const auto at = space_.position_of(in.seq);
  const bool seq_ok = at >= 0 && at + std::int64_t{receive_window} >= rcv_end &&
                      at + in.payload_length <= rcv_end + std::int64_t{receive_window};
  const auto ack = space_.position_of_ack(in.ack);
  const bool ack_ok = in.ack <= snd_nxt() && ack >= 0 &&
                      ack + std::int64_t{receive_window} >= static_cast<std::int64_t>(space_.acked);
  // After a probe or its answer, legacy programs send ack 0 or 1 until the next datagram comes.
  const bool spoilt = in.ack.raw <= 1;
  if (!seq_ok || (!ack_ok && !spoilt)) {
    out.add(count_drop{errc::out_of_window, datagrams_in(in.payload_length, in.datagram_size)});
    if (unproven() && !ack_ok && !spoilt) on_wrong_ack(now, out);
    return;
  }
  if (unproven() && ack_ok) judge_ack(in, ack);
  received(now, out);
  const auto newly_acked = ack_ok ? ack - static_cast<std::int64_t>(space_.acked) : 0;
  if (newly_acked > 0) space_.acked = static_cast<std::uint64_t>(ack);
  if (empty) return peer_->on_empty(*this, in, at, newly_acked, now, out);
  space_.received_to(static_cast<std::uint64_t>(at) + in.payload_length);
  peer_->on_payload(*this, in, at, ack_ok && ack > 0, now, out);
}

/// The peer has sent a valid segment, so it is alive.
void stream::received(time_point now, effects& out) noexcept {
  held_back_until_ = time_point::min();
  awaiting_ = false;
  timers_.clear(timer::probe);
  probes_ = 0;
  if (client_ && keepalive_ > duration::zero()) timers_.set(timer::keepalive, now + keepalive_);
  if (!client_) peer_->heard(*this, now);
  if (silent_) {
    silent_ = false;
    out.add(recovered{});
  }
}

/// An empty segment with ack 0: tonel's probe, the answer to one, or phantun's answer.
void stream::on_probe(const segment_repr& in, time_point now, effects& out) noexcept {
  received(now, out);
  if (in.seq.raw == 0) {
    learn(profile::tonel);
    if (last_sent_ == time_point::min() || now - last_sent_ >= crossing_time) send_probe(1, out);
  } else if (in.seq.raw == 1) {
    // Everything before this answer has arrived, so nothing is under way.
    if (space_.rcv_end < stuck_after) timers_.clear(timer::opener);
    // Before its first datagram, phantun's answer looks the same.
    if (space_.rcv_end > 0) learn(profile::tonel);
  } else if (opener_sent_) {
    timers_.clear(timer::opener);
    learn(profile::phantun);
    if (!client_) peer_->on_spoilt_ack(*this, out);
  }
  // A server may probe while it waits for our handshake packet.
  if (!awaits_packet_) confirm(now, out);
}

void stream::deliver_data(std::uint64_t control, const segment_repr& in, std::int64_t at,
                          time_point now, effects& out) noexcept {
  if (!flow::deliver_behind(control, in, at, out)) return;
  const bool woke = idle_.received(now);
  if (client_) peer_->delivered(*this, now);
  if (woke) out.add(became_active{});
}

std::uint32_t stream::admit(std::uint32_t size, std::uint32_t datagrams, time_point now) noexcept {
  if (!is_open()) return 0;
  if (unproven()) {
    const auto fit = answers_->room() / (size + header_size(is_v4()));
    datagrams = static_cast<std::uint32_t>(std::min<std::uint64_t>(datagrams, fit));
  }
  // Legacy peers acknowledge nothing by themselves, so only trackers limit what is under way.
  if (size == 0 || now >= held_back_until_) return datagrams;
  const auto under_way = space_.under_way();
  const auto room = under_way < first_window ? (first_window - under_way) / size : 0;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(datagrams, room));
}

segment_header stream::data_header(std::uint32_t length, std::uint32_t datagrams, bool,
                                   time_point now) noexcept {
  auto out = header(snd_nxt(), flag::ack);
  headers_.ip_id = static_cast<std::uint16_t>(headers_.ip_id + datagrams - 1); // 1 by header()
  if (unproven()) note_sent(length, datagrams);
  space_.snd_end += length;
  idle_.sent(now);
  last_sent_ = now;
  peer_->await_answer(*this, now);
  watch_window();
  return out;
}

/// Called before snd_end moves.
void stream::note_sent(std::uint32_t length, std::uint32_t datagrams) noexcept {
  answers_->sent(length + std::uint64_t{datagrams} * header_size(is_v4()));
  const auto size = datagrams == 0 ? 0 : (length + datagrams - 1) / datagrams;
  for (std::uint32_t at = 0; at < length && ends_known_ < ends_.size();) {
    at = std::min(at + size, length);
    if (space_.snd_end + at > 65'535) return;
    ends_[ends_known_++] = static_cast<std::uint16_t>(space_.snd_end + at);
  }
}

/// Legacy programs acknowledge the end of the last segment received. An ack of the handshake alone
/// proves 16 bits, and a spoilt one less.
void stream::judge_ack(const segment_repr& in, std::int64_t ack) noexcept {
  const auto position = static_cast<std::uint64_t>(ack);
  const auto* first = ends_.data();
  const auto* last = first + ends_known_;
  const bool is_end = position == space_.snd_end || std::find(first, last, position) != last;
  if (ack > 0 && is_end) answers_->prove();
  if (ack == 0 || is_end)
    answers_->received(in.payload_length +
                       std::uint64_t{datagrams_in(in.payload_length, in.datagram_size)} *
                           header_size(is_v4()));
}

/// A client never acknowledges octets that were not sent: somebody guesses.
void stream::on_wrong_ack(time_point now, effects& out) noexcept {
  if (++wrong_acks_ >= most_wrong_acks) end(end_reason::dead, now, out);
}

void stream::challenge(effects& out, time_point now) noexcept {
  if (challenges_.take(now, challenge_budget_))
    send_ack(out);
  else
    out.add(count_drop{errc::rst_limited, 1});
}

segment_header stream::header(seq_num seq, std::uint8_t flags) noexcept {
  if ((flags & flag::ack) != 0) timers_.clear(timer::ack);
  return headers_.make(space_, seq, flags);
}

void stream::send_ack(effects& out) noexcept {
  out.add(send_segment{header(snd_nxt(), flag::ack), {}});
}

void stream::send_packet(effects& out) noexcept {
  if (!has_packet()) return;
  out.add(send_segment{header(space_.first(), flag::ack), *handshake_packet_});
  space_.sent_to(handshake_packet_->size());
}

/// Sends tonel's keepalive (seq 0) or the answer to it (seq 1), outside the connection's numbers.
void stream::send_probe(std::uint32_t seq, effects& out) noexcept {
  segment_header probe;
  probe.tuple = tuple();
  probe.seq = {seq};
  probe.flags = flag::ack;
  probe.ip_id = headers_.ip_id++;
  out.add(send_segment{probe, {}});
}

} // namespace tonel::protocol::legacy
