#include "protocol/stream.hpp"

#include "protocol/run.hpp"
#include "protocol/wire.hpp"

#include <algorithm>
#include <limits>

namespace tonel::protocol {

namespace {

using namespace std::chrono_literals;

/// Trackers give a connection 1 GiB of room at our window; past it they drop everything.
constexpr std::uint64_t most_unacknowledged = std::uint64_t{768} << 20;
/// At that bound one datagram per interval goes through: its ack opens the window again.
constexpr auto over_bound_interval = 100ms;
/// A window without scale that was lost whole is never acknowledged, and trackers let nothing follow.
constexpr auto full_window_time = 1s;

} // namespace

stream::stream(const stream_config& config, bool client) noexcept
    : config_(config), random_(config.seed), ip_id_(config.ip_id), acked_id_(config.ip_id),
      client_(client) {
  update_mtu(nullptr);
}

effects stream::on_segment(const segment_repr& in, byte_view payload, time_point now) noexcept {
  effects out;
  if (!flags_can_be(in.flags)) {
    out.add(count_drop{errc::bad_flags, 1});
    return out;
  }
  switch (state_) {
  case state::syn_sent: on_syn_sent(in, now, out); break;
  case state::open:
  case state::fin_sent: on_open(in, payload, now, out); break;
  case state::last_ack:
  case state::time_wait:
  case state::reset_sent: on_closing(in, now, out); break;
  case state::gone: out.add(count_drop{errc::no_stream, 1}); break;
  }
  return out;
}

void stream::on_open(const segment_repr& in, byte_view payload, time_point now,
                     effects& out) noexcept {
  if (!rules().hello) return on_legacy(in, now, out);
  if (in.has(flag::rst)) return on_reset(in, now, out);
  if (in.has(flag::syn)) {
    // The first SYN-ACK counts; another one (a repeat, or of a newer cookie) gets the ACK of it.
    if (client_ && in.has(flag::ack) && in.ack == iss_plus_1()) return send_ack(out);
    return challenge(in, now, out);
  }

  const std::int64_t ack = static_cast<std::int64_t>(snd_end_) + (in.ack - snd_nxt());
  const auto rcv_end = static_cast<std::int64_t>(rcv_end_);
  const std::int64_t at = rcv_end + (in.seq - rcv_nxt());
  const std::int64_t length = in.payload_length + (in.has(flag::fin) ? 1 : 0);
  const auto found = judge(at, length, ack);
  const bool answered = found != verdict::foreign && at >= rcv_end && repeats_question(in);
  if (found != verdict::fits && !answered) {
    out.add(count_drop{errc::out_of_window, datagrams_in(in.payload_length, in.datagram_size)});
    if (found == verdict::foreign) return challenge(in, now, out);
    if (in.has(flag::fin)) fin_ahead_ = static_cast<std::uint64_t>(at + length);
    return ask(now, out);
  }

  if (compare_at_ != never) {
    const bool bare = length == 0 && !in.has(flag::psh) && at >= rcv_end;
    if (bare || ack > static_cast<std::int64_t>(acked_)) proven(now);
  }
  recent_.note(now, rcv_end_, acked_);
  received(now, out);
  if (static_cast<std::uint64_t>(ack) > acked_) {
    acked_ = static_cast<std::uint64_t>(ack);
    if (unscaled_) window_at_ = never;
    if (acked_ == snd_end_) acked_id_ = ip_id_;
  }
  if (answered) {
    heard_answer(in, now);
    rcv_end_ = static_cast<std::uint64_t>(at);
    if (rcv_end_ == fin_ahead_) return on_fin(now, out);
  }

  if (in.payload_length > 0 || in.has(flag::psh)) {
    if (!in.has(flag::fin) || in.payload_length > 0) on_payload(in, payload, at, now, out);
  } else if (!in.has(flag::fin) && at < rcv_end) {
    answer(in, out); // a keepalive; anything else that is empty gets no answer
  }
  if (in.has(flag::fin)) on_fin_segment(at, at + length, rcv_end, now, out);
}

/// The rule of RFC 5961 §5.2 for ACKs, and for SEQ a narrower one than RFC 9293's: a window as wide
/// as the one announced would take a stranger's guess for one of ours (docs/wire.md).
/// DEVIATION RFC 9293 §3.10.7.4: what lies below RCV.NXT is taken, too; nothing is ever sent again
/// here, so it is a late datagram and not an old copy.
stream::verdict stream::judge(std::int64_t at, std::int64_t length,
                              std::int64_t ack) const noexcept {
  const auto next = static_cast<std::int64_t>(rcv_end_);
  const auto acked = static_cast<std::int64_t>(acked_);
  if (ack < 0 || ack > static_cast<std::int64_t>(snd_end_)) return verdict::foreign;
  if (at == next && ack >= acked) return verdict::fits; // as nearly all are
  const auto range = recent_.range(rcv_end_, acked_, snd_end_);
  if (ack + static_cast<std::int64_t>(range.acks_behind) < acked || at < (length > 0 ? 0 : -1) ||
      at > next + std::int64_t{receive_window})
    return verdict::foreign;
  if (at > next + static_cast<std::int64_t>(range.ahead)) return verdict::ahead;
  if (at + static_cast<std::int64_t>(range.behind) >= next) return verdict::fits;
  // A repeat of the peer's first flight may come late, and is needed.
  const auto control = greeted_ ? peer_control_ : std::uint64_t{max_held_bytes};
  return at + length <= static_cast<std::int64_t>(control) ? verdict::fits : verdict::foreign;
}

/// A FIN that a guess could have placed ends nothing: it counts at exactly RCV.NXT. Behind a hole it
/// waits until the peer has said how far it has sent.
void stream::on_fin_segment(std::int64_t at, std::int64_t end, std::int64_t expected,
                            time_point now, effects& out) noexcept {
  if (at == expected || end - 1 == expected) {
    rcv_end_ = static_cast<std::uint64_t>(end);
    return on_fin(now, out);
  }
  if (at < expected) return; // nothing can follow a FIN
  fin_ahead_ = static_cast<std::uint64_t>(end);
  ask(now, out);
}

/// Whatever the peer sends in order shows that it lives.
void stream::received(time_point now, effects& out) noexcept {
  if (!peer_spoke_) first_word(now, out);
  awaiting_ = false;
  probe_at_ = never;
  probes_ = 0;
  if (config_.keepalive > duration::zero()) {
    if (client_)
      keepalive_at_ = now + config_.keepalive;
    else
      dead_at_ = now + config_.keepalive * 7 / 2;
  }
  if (!client_ && rules().probes_end_server) await_answer(now);
  if (silent_ && !behind_) {
    silent_ = false;
    out.add(recovered{});
  }
}

void stream::on_payload(const segment_repr& in, byte_view payload, std::int64_t at, time_point now,
                        effects& out) noexcept {
  const auto end = static_cast<std::uint64_t>(std::max<std::int64_t>(at, 0)) + in.payload_length;
  rcv_end_ = std::max(rcv_end_, end);
  owe_ack(now, out);

  bool replay = false;
  if (!greeted_) {
    const auto found = find_hello(payload, in.datagram_size);
    const auto relative = static_cast<std::uint64_t>(at) + (found ? found->at : 0);
    // Data that overtake the hello may begin like one; at the start of a direction nothing else does.
    const bool readable = found && found->hello;
    if (!found || relative != (readable ? found->hello->offset : 0)) return hold(in, now, out);
    if (!readable || !is_ours(*found->hello))
      return refuse_hello(errc::bad_hello, end_reason::reset, now, out);
    if (found->hello->tcp_ends || shows_proxy(*found, in.window, config_.iss, irs_))
      return refuse_hello(errc::path_ends_tcp, end_reason::path_ends_tcp, now, out);
    greet(*found->hello, now, out);
    replay = held_segments_ > 0;
    held_segments_ = 0;
    held_bytes_ = 0;
  } else if (!client_ && at <= static_cast<std::int64_t>(peer_hello_) && end > peer_hello_) {
    // The hello, or its repeat: our own may have been lost.
    if (answered_at_ == time_point::min() || now - answered_at_ >= repeat_interval)
      send_flight(now, out);
  }
  deliver_data(in, at, now, out);
  if (replay) out.add(replay_held{});
}

/// Hands over what lies behind the peer's control octets.
void stream::deliver_data(const segment_repr& in, std::int64_t at, time_point now,
                          effects& out) noexcept {
  const auto control = static_cast<std::int64_t>(peer_control_);
  const auto length = in.payload_length;
  if (length == 0 && at < control) {
    out.add(count_drop{errc::out_of_window, 1});
    return;
  }
  auto from =
      at >= control
          ? 0u
          : static_cast<std::uint32_t>(std::min<std::int64_t>(control - at, in.payload_length));
  if (length > 0 && from == length) return;

  // Borders count from the segment's start: where control ends between two, up to the next one is
  // one datagram.
  const auto past_border = in.datagram_size == 0 ? 0 : from % in.datagram_size;
  if (past_border != 0) {
    const auto piece = std::min(in.datagram_size - past_border, length - from);
    out.add(deliver{from, piece});
    from += piece;
  }
  if (from < length || length == 0) out.add(deliver{from, length - from});

  last_datagram_ = now;
  // A download without uploads must notice a lost path, too.
  if (client_ && rules().answers_probes) check_at_ = now + 3s;
  if (idle_) {
    idle_ = false;
    out.add(became_active{});
  }
}

std::uint64_t stream::send_bound(time_point now) const noexcept {
  if (!rules().hello) {
    // No acks come: trackers alone know what is too much. A phantun server that has not spoken is
    // waited for a little (see establish_legacy).
    const bool waiting = client_ && config_.wire == profile::phantun && !peer_spoke_ &&
                         (!opener_sent_ || now - answered_at_ < 1s);
    return waiting ? first_window_ : std::numeric_limits<std::uint64_t>::max();
  }
  return peer_spoke_ && !unscaled_ ? most_unacknowledged : first_window_;
}

std::uint32_t stream::admit(std::uint32_t size, std::uint32_t datagrams, time_point now) noexcept {
  if (!is_open()) return 0;
  if (unproven()) {
    const auto fit = config_.answers->room() / (size + header_size(is_v4()));
    datagrams = static_cast<std::uint32_t>(std::min<std::uint64_t>(datagrams, fit));
  }
  if (size == 0) return datagrams;
  const auto bound = send_bound(now);
  const auto in_flight = snd_end_ - acked_;
  const auto room = in_flight < bound ? (bound - in_flight) / size : 0;
  if (room >= datagrams) return datagrams;
  if (unscaled_ && room == 0 && window_at_ == never) window_at_ = now + full_window_time;
  if (room == 0 && peer_spoke_ && !unscaled_ && datagrams > 0 &&
      (let_through_ == time_point::min() || now - let_through_ >= over_bound_interval)) {
    let_through_ = now;
    return 1;
  }
  return static_cast<std::uint32_t>(room);
}

// DEVIATION RFC 9293 §3.8.1: data is never sent again; a datagram that is lost is lost.
// DEVIATION RFC 9293 §3.8.6: the window announced is constant, as nothing is ever kept waiting.
segment_header stream::data_header(std::uint32_t length, std::uint32_t datagrams,
                                   bool last_of_batch, time_point now) noexcept {
  const bool push = has_push() && (last_of_batch || length == 0);
  auto out = header(snd_nxt(), static_cast<std::uint8_t>(flag::ack | (push ? flag::psh : 0)));
  ip_id_ = static_cast<std::uint16_t>(ip_id_ + datagrams - 1); // header() counted one
  if (unproven()) note_sent(length, datagrams);
  snd_end_ += length;
  last_datagram_ = last_sent_ = now;
  if (idle_) {
    idle_ = false;
    woke_ = true; // said by the next on_timer, which is due at once
  }
  await_answer(now);
  if (config_.fellows) compare_later(now);
  if (!rules().hello && client_) watch_window();
  return out;
}

/// Every segment carries the current ack, so whatever goes out settles the ACK that is owed.
segment_header stream::header(seq_num seq, std::uint8_t flags) noexcept {
  segment_header out;
  out.tuple = config_.tuple;
  out.seq = seq;
  out.flags = flags;
  out.ip_id = ip_id_++;
  if ((flags & flag::ack) != 0) {
    out.ack = rcv_nxt();
    ack_sent_ = rcv_end_;
    ack_at_ = never;
  }
  return out;
}

void stream::send_ack(effects& out) noexcept {
  out.add(send_segment{header(snd_nxt(), flag::ack), {}});
}

} // namespace tonel::protocol
