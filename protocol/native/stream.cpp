#include "protocol/native/stream.hpp"

#include "protocol/flow/delivery.hpp"
#include "protocol/run.hpp"
#include "protocol/wire.hpp"

#include <algorithm>

namespace tonel::protocol::native {

namespace {

using namespace std::chrono_literals;

/// The most octets under way: with our window trackers allow 1 GiB, and drop everything beyond.
constexpr std::uint64_t most_unacknowledged = std::uint64_t{768} << 20;
/// At that limit one datagram per interval is sent, so that its ack opens the window again.
constexpr auto over_bound_interval = 100ms;
/// How long a full unscaled window may stay unacknowledged: if all of it was lost, nothing can
/// follow.
constexpr auto full_window_time = 1s;

} // namespace

const char* to_string(timer t) noexcept {
  switch (t) {
  case timer::attempt: return "attempt";
  case timer::ack: return "ack";
  case timer::keepalive: return "keepalive";
  case timer::check: return "check";
  case timer::probe: return "probe";
  case timer::dead: return "dead";
  case timer::larger: return "larger";
  case timer::drained: return "drained";
  case timer::window: return "window";
  case timer::compare: return "compare";
  case timer::count: break;
  }
  return "?";
}

stream::stream(const stream_config& config, bool client) noexcept
    : headers_{config.tuple, config.ip_id}, closing_(flow::stage::syn_sent),
      idle_(config.idle_timeout), mtu_(config.mtu, config.tuple.local.address.is_v4()),
      question_(config.seed), keepalive_(config.keepalive), session_(config.session),
      handshake_packet_(config.handshake_packet), challenge_budget_(config.challenge_limit),
      cookie_(config.cookie),
      key_capability_(key_capability(config.session.secret, config.key_mark)),
      acked_id_(config.ip_id), device_mtu_(config.mtu), stream_index_(config.stream_index),
      stream_count_(config.stream_count), client_(client), last_port_(config.last_port),
      detect_legacy_(config.detect_legacy) {
  space_.iss = config.iss;
  if (config.fellows) comparison_ = boxed{comparison{config.fellows, {}, {}, 0}};
}

effects stream::on_segment(const segment_repr& in, byte_view payload, time_point now) noexcept {
  effects out;
  if (!flags_can_be(in.flags)) {
    out.add(count_drop{errc::bad_flags, 1});
    return out;
  }
  switch (closing_.at()) {
  case flow::stage::syn_sent: on_syn_sent(in, now, out); break;
  case flow::stage::open:
  case flow::stage::fin_sent: on_open(in, payload, now, out); break;
  case flow::stage::last_ack:
  case flow::stage::time_wait:
  case flow::stage::reset_sent: on_closing(in, now, out); break;
  case flow::stage::gone: out.add(count_drop{errc::no_stream, 1}); break;
  }
  return out;
}

void stream::on_open(const segment_repr& in, byte_view payload, time_point now,
                     effects& out) noexcept {
  if (in.has(flag::rst)) return on_reset(in, now, out);
  if (in.has(flag::syn)) {
    // Only the first SYN-ACK counts; another (a repeat, or with a newer cookie) gets an ACK.
    if (client_ && in.has(flag::ack) && in.ack == space_.first()) return send_ack(out);
    return challenge(in, now, out);
  }

  const auto ack = space_.position_of_ack(in.ack);
  const auto rcv_end = static_cast<std::int64_t>(space_.rcv_end);
  const auto at = space_.position_of(in.seq);
  const std::int64_t length = in.payload_length + (in.has(flag::fin) ? 1 : 0);
  const auto found = judge_.of(space_, at, length, ack, control_end());
  const bool answered =
      found != flow::verdict::foreign && at >= rcv_end && question_.is_answered_by(in);
  if (found != flow::verdict::fits && !answered) {
    out.add(count_drop{errc::out_of_window, datagrams_in(in.payload_length, in.datagram_size)});
    if (found == flow::verdict::foreign) return challenge(in, now, out);
    if (in.has(flag::fin)) fin_ahead_ = static_cast<std::uint64_t>(at + length);
    return ask(now, out);
  }

  if (timers_.is_set(timer::compare)) {
    const bool bare = length == 0 && !in.has(flag::psh) && at >= rcv_end;
    if (bare || ack > static_cast<std::int64_t>(space_.acked)) proven(now);
  }
  judge_.note(now, space_);
  received(now, out);
  if (static_cast<std::uint64_t>(ack) > space_.acked) {
    space_.acked = static_cast<std::uint64_t>(ack);
    if (greeted_) hello_.reset(); // control comes before all else, so it is acknowledged
    if (unscaled_) timers_.clear(timer::window);
    if (space_.under_way() == 0) acked_id_ = headers_.ip_id;
  }
  if (answered) {
    if (const auto trip = question_.heard(in.window, now)) measured(*trip);
    space_.rcv_end = static_cast<std::uint64_t>(at);
    if (space_.rcv_end == fin_ahead_) return on_fin(now, out);
  }

  if (in.payload_length > 0 || in.has(flag::psh)) {
    if (!in.has(flag::fin) || in.payload_length > 0) on_payload(in, payload, at, now, out);
  } else if (!in.has(flag::fin) && at < rcv_end) {
    answer(in, out); // a keepalive; no other empty segment is answered
  }
  if (in.has(flag::fin)) on_fin_segment(at, at + length, rcv_end, now, out);
}

/// The peer has sent a valid segment, so it is alive.
void stream::received(time_point now, effects& out) noexcept {
  if (!peer_spoke_) first_word(now, out);
  awaiting_ = false;
  timers_.clear(timer::probe);
  probes_ = 0;
  if (keepalive_ > duration::zero()) {
    if (client_)
      timers_.set(timer::keepalive, now + keepalive_);
    else
      timers_.set(timer::dead, now + keepalive_ * 7 / 2);
  }
  if (silent_ && !behind_) {
    silent_ = false;
    out.add(recovered{});
  }
}

/// The position before which only the peer's first flight lies.
std::uint64_t stream::control_end() const noexcept {
  return greeted_ ? peer_control_ : std::uint64_t{max_held_bytes};
}

void stream::on_payload(const segment_repr& in, byte_view payload, std::int64_t at, time_point now,
                        effects& out) noexcept {
  const auto end = static_cast<std::uint64_t>(std::max<std::int64_t>(at, 0)) + in.payload_length;
  space_.received_to(end);
  owe_ack(now, out);

  bool replay = false;
  if (!greeted_) {
    const auto found = find_hello(payload, in.datagram_size);
    const auto relative = static_cast<std::uint64_t>(at) + (found ? found->at : 0);
    // Data that overtakes the hello may begin like one; at the start of a direction only a hello
    // does.
    const bool readable = found && found->hello;
    if (!readable) note_strange(payload, at, out);
    if (!found || relative != (readable ? found->hello->offset : 0)) return hold(in, now, out);
    if (!readable || !is_ours(*found->hello))
      return refuse_hello(errc::bad_hello, end_reason::reset, now, out);
    if (found->hello->tcp_ends || shows_proxy(*found, in.window, space_.iss, space_.irs))
      return refuse_hello(errc::path_ends_tcp, end_reason::path_ends_tcp, now, out);
    greet(*found->hello, now, out);
    replay = held_segments_ > 0;
    held_segments_ = 0;
    held_bytes_ = 0;
  } else if (!client_ && at <= static_cast<std::int64_t>(peer_hello_) && end > peer_hello_) {
    // The hello or a repeat of it: our own hello may have been lost.
    if (answered_at_ == time_point::min() || now - answered_at_ >= repeat_interval)
      send_flight(now, out);
  }
  deliver_data(in, at, now, out);
  if (replay) out.add(replay_held{});
}

void stream::deliver_data(const segment_repr& in, std::int64_t at, time_point now,
                          effects& out) noexcept {
  if (!flow::deliver_behind(peer_control_, in, at, out)) return;
  const bool woke = idle_.received(now);
  // A download without uploads must notice a lost path as well.
  if (client_) timers_.set(timer::check, now + 3s);
  if (woke) out.add(became_active{});
}

std::uint64_t stream::send_bound() const noexcept {
  return peer_spoke_ && !unscaled_ ? most_unacknowledged : first_window_;
}

std::uint32_t stream::admit(std::uint32_t size, std::uint32_t datagrams, time_point now) noexcept {
  if (!is_open()) return 0;
  if (size == 0) return datagrams;
  const auto bound = send_bound();
  const auto under_way = space_.under_way();
  const auto room = under_way < bound ? (bound - under_way) / size : 0;
  if (room >= datagrams) return datagrams;
  if (unscaled_ && room == 0 && !timers_.is_set(timer::window))
    timers_.set(timer::window, now + full_window_time);
  if (room == 0 && peer_spoke_ && !unscaled_ && datagrams > 0 &&
      (let_through_ == time_point::min() || now - let_through_ >= over_bound_interval)) {
    let_through_ = now;
    return 1;
  }
  return static_cast<std::uint32_t>(room);
}

// DEVIATION RFC 9293 §3.8.1: data is never sent again; a lost datagram stays lost.
// DEVIATION RFC 9293 §3.8.6: the announced window is constant, since no data waits for a reader.
segment_header stream::data_header(std::uint32_t length, std::uint32_t datagrams,
                                   bool last_of_batch, time_point now) noexcept {
  const bool push = last_of_batch || length == 0;
  auto out = header(snd_nxt(), static_cast<std::uint8_t>(flag::ack | (push ? flag::psh : 0)));
  headers_.ip_id = static_cast<std::uint16_t>(headers_.ip_id + datagrams - 1); // 1 by header()
  space_.snd_end += length;
  idle_.sent(now);
  await_answer(now);
  if (comparison_) compare_later(now);
  return out;
}

segment_header stream::header(seq_num seq, std::uint8_t flags) noexcept {
  if ((flags & flag::ack) != 0) timers_.clear(timer::ack);
  return headers_.make(space_, seq, flags);
}

void stream::send_ack(effects& out) noexcept {
  out.add(send_segment{header(snd_nxt(), flag::ack), {}});
}

} // namespace tonel::protocol::native
