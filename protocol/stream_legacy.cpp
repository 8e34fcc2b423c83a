#include "protocol/acceptor.hpp"
#include "protocol/run.hpp"
#include "protocol/stream.hpp"
#include "protocol/wire.hpp"

#include <algorithm>
#include <utility>

namespace tonel::protocol {

namespace {

using namespace std::chrono_literals;

/// Both programs have buffers for an Ethernet frame.
constexpr std::uint16_t legacy_mtu = 1'500;
/// tonel's server drops a connection whose third ACK has not come by then.
constexpr duration confirm_time = 3s;
constexpr duration first_confirm_time = 2s;
constexpr auto ask_again = 1s;
/// phantun's client repeats its SYN at 1 s and 2 s; later, a SYN begins a new connection.
constexpr auto handshake_time = 3s;
constexpr auto syn_interval = 1s;
constexpr auto new_handshake_time = 5s;
/// Octets one way without an answer, after which a tracker's window has to be opened: its first is
/// 64 KiB.
constexpr std::uint64_t opener_after = std::uint64_t{16} << 10;
/// A client's trackers stop an upload without answers between 64 KiB and twice that. With more than
/// 64 KiB under way a probe passes, but opens nothing: it acknowledges too little.
constexpr std::uint64_t stuck_after = std::uint64_t{64} << 10;
constexpr std::uint64_t never_stuck = std::uint64_t{160} << 10;
/// tonel's client probes after 3 s.
constexpr auto opener_patience = 4s;
constexpr auto stuck_silence = 1s;
/// A datagram that went this recently crosses a probe, and is as good an answer. The answer itself, coming
/// behind it, would be a datagram of length zero.
constexpr auto crossing_time = 1s;
/// How soon a handshake packet is taken for lost; sent again too soon, it is a datagram.
constexpr duration least_packet_wait = 200ms;
/// Octets that no ack names, after which a client moves to a new connection: at 1 GiB trackers close
/// this one.
constexpr std::uint64_t rotate_after = std::uint64_t{512} << 20;
/// phantun sends an ACK without payload where its ack has moved by 128 MiB since the last; nobody
/// else acknowledges that much at once without data.
constexpr std::int64_t phantun_ack = std::int64_t{96} << 20;
/// Of a client that has proven nothing but its handshake.
constexpr std::uint8_t most_wrong_acks = 16;
/// Datagrams in front of a RST may have been lost.
constexpr std::int32_t reset_room = 65'535;

} // namespace

stream stream::accept_legacy(const stream_config& config, seq_num client_iss,
                             time_point now) noexcept {
  stream s{config, false};
  s.config_.keepalive = duration::zero();
  s.irs_ = client_iss;
  s.state_ = state::open;
  s.greeted_ = true;
  s.peer_spoke_ = true;
  s.fresh_ = true;
  s.peer_mtu_ = legacy_mtu;
  s.last_datagram_ = now;
  s.started_ = now;
  s.update_mtu(nullptr);
  return s;
}

void stream::establish_legacy(const segment_repr& in, time_point now, effects& out) noexcept {
  irs_ = in.seq;
  state_ = state::open;
  measured(now - started_);
  // phantun's SYN-ACK has sequence number 0; one that a middlebox has moved belongs to no group.
  learn(token_in(in.seq) != 0 ? profile::tonel : profile::phantun);
  peer_mtu_ = legacy_mtu;
  if (in.mss != 0) // added on the way
    peer_mtu_ = static_cast<std::uint16_t>(
        std::min<std::uint32_t>(peer_mtu_, in.mss + header_size(is_v4())));
  update_mtu(&out);

  started_ = now;
  last_datagram_ = now;
  send_ack(out);
  // phantun throws away the payload of what completes the handshake. Its application never sees an
  // empty segment, so the ACK can go twice.
  if (rules().bare_acks) send_ack(out);
  // A phantun server says nothing by itself, but to tonel's probe it says one ACK, which opens the
  // trackers' windows for what its application sends at once. What follows sets its ack field right.
  if (rules().bare_acks) send_opener(now, out);
  send_packet(out);
  answered_at_ = now;
  if (!rules().asks_before_data) return confirm(now, out);
  // tonel takes the first segment for the third ACK, whatever it holds, and the first payload for
  // our handshake packet: data may go only when what comes before has arrived. With a handshake
  // packet the server's own tells so, without one a probe's answer, which opens the window of the
  // trackers on the way besides.
  attempt_at_ = now + (config_.first_port ? first_confirm_time : confirm_time);
  if (has_packet()) return;
  send_probe(0, out);
  attempt_at_ = now + ask_again;
}

/// The server has our third ACK.
void stream::confirm(time_point now, effects& out) noexcept {
  if (greeted_) return;
  greeted_ = true;
  attempt_at_ = never;
  last_datagram_ = now;
  if (config_.keepalive > duration::zero()) keepalive_at_ = now + config_.keepalive;
  out.add(opened{});
  out.add(greeted{});
}

/// True when the port was given up.
bool stream::on_confirm_timer(time_point now, effects& out) noexcept {
  const auto patience = config_.first_port ? first_confirm_time : confirm_time;
  if (now - started_ < patience) {
    send_probe(0, out);
    attempt_at_ = started_ + patience;
    return false;
  }
  if (has_packet() && config_.last_port) {
    confirm(now, out); // a server that sends none
    return false;
  }
  send_reset(now, out);
  give_up_port(out);
  return true;
}

/// What a server has to say at the start.
void stream::greet_legacy(time_point now, effects& out) noexcept {
  fresh_ = false;
  answered_at_ = now;
  // tonel's client drops the first payload whenever it comes. Whatever is sent here opens the window
  // of the trackers on the client's side, which end an upload without answers at 128 KiB.
  if (has_packet()) {
    send_packet(out);
  } else if (rules().bare_acks) {
    send_ack(out);
  } else if (rules().answers_probes) {
    send_opener(now, out);
  }
}

/// A probe is the one segment that neither program hands to its application; and its answer tells them
/// apart.
void stream::send_opener(time_point now, effects& out) noexcept {
  opener_sent_ = true;
  window_at_ = client_ ? never : now + opener_patience;
  send_probe(0, out);
}

/// Where the opener was outrun, the upload stands still.
void stream::on_opener_timer(time_point now, effects& out) noexcept {
  if (snd_end_ != 0 || rcv_end_ >= never_stuck) return; // it is open
  if (rcv_end_ < stuck_after || now - last_datagram_ < stuck_silence)
    return send_opener(now, out); // it was lost, or its answer
  if (config_.wire == profile::tonel) {
    // Its application would see an ACK. It begins anew with the next datagram.
    ended_ = true;
    send_reset(now, out);
    out.add(ended{end_reason::dead});
    return;
  }
  // One of tonel would have probed by now.
  send_ack(out);
  send_probe(0, out);
}

void stream::send_packet(effects& out) noexcept {
  if (!has_packet()) return;
  out.add(send_segment{header(iss_plus_1(), flag::ack), *config_.handshake_packet});
  snd_end_ = std::max<std::uint64_t>(snd_end_, config_.handshake_packet->size());
}

/// tonel's keepalive (seq 0) and the answer to it (seq 1): outside the connection's numbers.
void stream::send_probe(std::uint32_t seq, effects& out) noexcept {
  segment_header probe;
  probe.tuple = config_.tuple;
  probe.seq = {seq};
  probe.flags = flag::ack;
  probe.ip_id = ip_id_++;
  out.add(send_segment{probe, {}});
}

void stream::learn(profile shown) noexcept {
  if (config_.wire == profile::legacy) config_.wire = shown;
}

void stream::on_legacy(const segment_repr& in, time_point now, effects& out) noexcept {
  if (fresh_) greet_legacy(now, out);
  if (in.has(flag::rst)) return on_legacy_reset(in, now, out);
  if (in.has(flag::syn)) return on_legacy_syn(in, now, out);
  if (in.has(flag::fin)) {
    out.add(count_drop{errc::bad_flags, 1}); // not of those peers
    return;
  }
  if (starts_anew(in, now)) {
    // This segment is lost with the stream; the next one proves as much to the acceptor.
    ended_ = true;
    out.add(ended{end_reason::closed_by_peer});
    return forget(out);
  }
  const bool empty = in.payload_length == 0;
  if (empty && in.ack.raw == 0) return on_legacy_probe(in, now, out);

  const auto rcv_end = static_cast<std::int64_t>(rcv_end_);
  const std::int64_t at = rcv_end + (in.seq - rcv_nxt());
  const bool seq_ok = at >= 0 && at + std::int64_t{receive_window} >= rcv_end &&
                      at + in.payload_length <= rcv_end + std::int64_t{receive_window};
  const std::int64_t ack = static_cast<std::int64_t>(snd_end_) + (in.ack - snd_nxt());
  const bool ack_ok = in.ack <= snd_nxt() && ack >= 0 &&
                      ack + std::int64_t{receive_window} >= static_cast<std::int64_t>(acked_);
  // A probe or its answer leaves 0 or 1 in those programs' ack field until the next datagram.
  const bool spoilt = in.ack.raw <= 1;
  if (!seq_ok || (!ack_ok && !spoilt)) {
    out.add(count_drop{errc::out_of_window, datagrams_in(in.payload_length, in.datagram_size)});
    if (unproven() && !ack_ok && !spoilt) on_wrong_ack(now, out);
    return;
  }
  if (unproven() && ack_ok) judge_ack(in, ack);
  received(now, out);
  const auto newly_acked = ack_ok ? ack - static_cast<std::int64_t>(acked_) : 0;
  if (newly_acked > 0) acked_ = static_cast<std::uint64_t>(ack);
  if (empty)
    on_legacy_empty(in, at, newly_acked, now, out);
  else
    on_legacy_payload(in, at, ack_ok && ack > 0, now, out);
}

/// A tonel server sends its handshake packet when ours has come, so it is the first in its numbers that
/// acknowledges ours; on a connection that joins a group datagrams may stand before it.
void stream::on_opening_payload(const segment_repr& in, std::int64_t at, bool acknowledges,
                                time_point now, effects& out) noexcept {
  const auto start = static_cast<std::uint64_t>(at);
  if (acknowledges) {
    // Behind a gap it may be what the gap holds: then a join has lost a datagram for it, and a first
    // connection, which has no datagrams before, the packet itself.
    if (peer_control_ == 0 && (start == peer_hello_ || config_.join_token != 0))
      peer_control_ = start + in.datagram_size;
    confirm(now, out);
    return deliver_data(in, at, now, out);
  }
  if (start == peer_hello_) peer_hello_ = start + in.payload_length;
  const auto control = std::exchange(peer_control_, 0);
  deliver_data(in, at, now, out);
  peer_control_ = control;
  // What was sent after ours should have come acknowledges it.
  const auto wait =
      std::max<duration>(2 * std::chrono::microseconds{round_trip_}, least_packet_wait);
  if (greeted_ || now - answered_at_ < wait) return;
  answered_at_ = now;
  send_packet(out);
}

/// Before data_header's octets count.
void stream::note_sent(std::uint32_t length, std::uint32_t datagrams) noexcept {
  config_.answers->sent(length + std::uint64_t{datagrams} * header_size(is_v4()));
  const auto size = datagrams == 0 ? 0 : (length + datagrams - 1) / datagrams;
  for (std::uint32_t at = 0; at < length && ends_known_ < ends_.size();) {
    at = std::min(at + size, length);
    if (snd_end_ + at > 65'535) return;
    ends_[ends_known_++] = static_cast<std::uint16_t>(snd_end_ + at);
  }
}

/// Those programs acknowledge the end of the last segment that came. What acknowledges the handshake
/// alone shows 16 bits, and less where they are spoilt.
void stream::judge_ack(const segment_repr& in, std::int64_t ack) noexcept {
  const auto position = static_cast<std::uint64_t>(ack);
  const auto* first = ends_.data();
  const auto* last = first + ends_known_;
  const bool end = position == snd_end_ || std::find(first, last, position) != last;
  if (ack > 0 && end) config_.answers->prove();
  if (ack == 0 || end)
    config_.answers->received(in.payload_length +
                              std::uint64_t{datagrams_in(in.payload_length, in.datagram_size)} *
                                  header_size(is_v4()));
}

/// No client says that it got what was never sent: somebody guesses.
void stream::on_wrong_ack(time_point now, effects& out) noexcept {
  if (++wrong_acks_ < most_wrong_acks) return;
  ended_ = true;
  send_reset(now, out);
  out.add(ended{end_reason::dead});
}

void stream::on_legacy_payload(const segment_repr& in, std::int64_t at, bool acknowledges,
                               time_point now, effects& out) noexcept {
  const auto end = static_cast<std::uint64_t>(at) + in.payload_length;
  rcv_end_ = std::max(rcv_end_, end);
  if (rules().bare_acks) owe_ack(now, out);
  if (client_) watch_window();
  if (awaits_packet()) return on_opening_payload(in, at, acknowledges, now, out);
  confirm(now, out);
  if (has_packet() && !client_) {
    // A client's handshake packet is what stands first in its numbers, not what comes first: so a
    // lost one takes no datagram along.
    if (at == 0) peer_control_ = in.datagram_size;
    // A client that still acknowledges nothing has not got ours, and would take our first datagram
    // for it.
    if (config_.wire != profile::phantun && in.ack == iss_plus_1() &&
        snd_end_ == config_.handshake_packet->size() && now - answered_at_ >= ask_again) {
      answered_at_ = now;
      send_packet(out);
    }
  }
  deliver_data(in, at, now, out);
  // An upload whose sender we don't know yet.
  if (!client_ && !rules().bare_acks && snd_end_ == 0 && !opener_sent_ && rcv_end_ >= opener_after)
    send_opener(now, out);
}

void stream::on_legacy_empty(const segment_repr& in, std::int64_t at, std::int64_t newly_acked,
                             time_point now, effects& out) noexcept {
  if (newly_acked > phantun_ack) learn(profile::phantun);
  if (!rules().empty_is_datagram) return;
  const auto rcv_end = static_cast<std::int64_t>(rcv_end_);
  if (!client_ && at == 0 && in.ack == iss_plus_1() && (!third_seen_ || rcv_end > 0)) {
    third_seen_ = true;
    return;
  }
  if (at + 1 == rcv_end) return; // a keepalive as TCP has them, from something on the way
  if (!awaits_packet()) confirm(now, out);
  deliver_data(in, at, now, out);
}

/// ACK field 0 and nothing else: tonel's probe, its answer, or phantun's answer to a probe.
void stream::on_legacy_probe(const segment_repr& in, time_point now, effects& out) noexcept {
  received(now, out);
  if (in.seq.raw == 0) {
    learn(profile::tonel);
    if (last_sent_ == time_point::min() || now - last_sent_ >= crossing_time) send_probe(1, out);
  } else if (in.seq.raw == 1) {
    // Of what came before its answer, nothing was under way any more.
    if (rcv_end_ < stuck_after) window_at_ = never;
    // As long as it has sent nothing, phantun's answer looks the same.
    if (rcv_end_ > 0) learn(profile::tonel);
  } else if (opener_sent_) {
    window_at_ = never;
    learn(profile::phantun);
    // Its ack field is 0 now, which makes a RST from a restarted server useless: set it right. The
    // trackers' window is opened by this, too, however much is under way.
    if (!client_ && rules().bare_acks) send_ack(out);
  }
  // A server that waits for our handshake packet may ask, too.
  if (!awaits_packet()) confirm(now, out);
}

void stream::on_legacy_reset(const segment_repr& in, time_point now, effects& out) noexcept {
  const auto ahead = in.seq - rcv_nxt();
  const bool in_place = ahead >= 0 && ahead <= reset_room;
  if (!greeted_) {
    // tonel's server ends what it finds odd in a handshake with sequence number 0.
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
  // tonel closes with sequence number 0, which proves nothing: ask whether it is still there.
  if (!greeted_ || !rules().answers_probes || probes_ == rules().probe_count) return;
  awaiting_ = true;
  probes_ = rules().probe_count;
  probe_at_ = now + rules().probe_interval;
  send_keepalive(now, out);
}

void stream::on_legacy_syn(const segment_repr& in, time_point now, effects& out) noexcept {
  if (client_) {
    // phantun's server repeats its SYN-ACK until the third ACK arrives. A repeat from tonel is a
    // copy, and what answers it would be a datagram there.
    if (config_.wire == profile::phantun && in.has(flag::ack) && in.ack == iss_plus_1() &&
        in.seq == irs_)
      return send_ack(out);
    out.add(count_drop{errc::bad_flags, 1});
    return;
  }
  if (in.has(flag::ack)) {
    out.add(count_drop{errc::bad_flags, 1});
    return;
  }
  if (!is_legacy_syn(in)) return challenge(in, now, out); // a native client: its RST will end this
  if (in.seq == irs_ && now - started_ < handshake_time) {
    // Of this connection. tonel sends one SYN.
    if (now - started_ >= ask_again / 2) learn(profile::phantun);
    return;
  }
  if (syn_again_at_ != time_point::min() && now - syn_again_at_ < syn_interval) return;
  if (!answer_new_syn(in, now, out)) return;
  syn_again_ = in.seq;
  syn_again_at_ = now;
}

bool stream::starts_anew(const segment_repr& in, time_point now) const noexcept {
  if (syn_again_at_ == time_point::min() || now - syn_again_at_ > new_handshake_time) return false;
  const auto at = in.seq - (syn_again_ + 1);
  return at >= 0 && at < static_cast<std::int32_t>(receive_window) &&
         config_.cookie->proves_token(in.tuple, syn_again_, in.ack, now);
}

/// Before trackers close a connection of which too much is not acknowledged.
void stream::watch_window() noexcept {
  if (!rotated_up_ && snd_end_ - acked_ >= rotate_after) rotated_up_ = rotate_ = true;
  if (!rotated_down_ && rcv_end_ - ack_sent_ >= rotate_after) rotated_down_ = rotate_ = true;
}

/// True when the stream was ended.
bool stream::on_window_timer(time_point now, effects& out) noexcept {
  if (now >= window_at_) {
    window_at_ = never;
    if (rules().hello) return on_full_window(now, out);
    on_opener_timer(now, out);
    if (ended_) return true;
  }
  if (rotate_) {
    rotate_ = false;
    silent_ = true;
    // Datagrams of ours would acknowledge what comes.
    out.add(went_silent{snd_end_ - acked_ < rotate_after});
  }
  return false;
}

} // namespace tonel::protocol
