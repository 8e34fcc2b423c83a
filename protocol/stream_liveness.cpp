#include "protocol/stream.hpp"
#include "protocol/wire.hpp"

#include <algorithm>
#include <utility>

namespace tonel::protocol {

namespace {

using namespace std::chrono_literals;

constexpr duration delayed_ack = 1s;
/// As long as an ACK is owed, a stranger has that many more numbers to guess among.
constexpr std::uint64_t most_unacked = std::uint64_t{4} << 20;
/// Without window scale the sender may have no more than 60,000 octets under way.
constexpr std::uint64_t most_unacked_unscaled = std::uint64_t{16} << 10;
constexpr auto unscaled_delayed_ack = 50ms;
constexpr auto icmp_belief = 10min;

// The first probe is repeated within the time that its answer has, as one packet may be lost.
constexpr std::uint8_t quick_probes = 4;
/// The share of that time between two of them: the last still has two for its answer.
constexpr int quick_share = 5;
constexpr duration least_patience = 500ms, most_patience = 4s;
/// How often a stream asks where its peer stands, whoever makes it ask.
constexpr auto ask_interval = 50ms;
/// A question of which no answer came may be forgotten by then, and another be asked.
constexpr auto question_life = 5s;
/// Windows that a keepalive may have: below 65,535, which says nothing, and never so small that a
/// tracker has less room for it. The last two bits count the keepalives of one question.
constexpr std::uint16_t first_question = 0x8000;
constexpr std::uint32_t questions = 0x1ff0;
constexpr std::uint16_t last_of_question = 3;

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
  on_compare_timer(now, out);
  if (on_window_timer(now, out)) return;

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
  // A server has nothing to replace its stream with, and no hurry.
  const auto quick = rules().hello && client_ ? quick_probes : std::uint8_t{0};
  if (probes_ == std::max<std::uint8_t>(quick, 1) && client_ && !silent_) {
    silent_ = true;
    out.add(went_silent{});
  }
  if (probes_ < quick + rules().probe_count) {
    ++probes_;
    probe_at_ = now + (probes_ < quick    ? patience() / quick_share
                       : probes_ == quick ? patience() - (quick - 1) * (patience() / quick_share)
                                          : rules().probe_interval);
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
  if (question_ == 0 || now - asked_at_ >= question_life) {
    question_ = static_cast<std::uint16_t>(first_question +
                                           random_.next() % questions * (last_of_question + 1));
    asked_at_ = now;
  } else if ((question_ & last_of_question) != last_of_question) {
    ++question_;
  }
  asked_last_ = now;
  // DEVIATION RFC 9293 §3.8.4: SEQ is the highest ack received - 1, not SND.NXT - 1.
  auto keepalive = header(highest_ack() - 1, flag::ack);
  // DEVIATION RFC 9293 §3.8.6: the window asks to be repeated. Who repeats it has seen this segment,
  // so that its SEQ is believed however far ahead it is: there is no other way to tell an outage from
  // a stranger's guess.
  keepalive.window = question_;
  out.add(send_segment{keepalive, {}});
}

/// A segment lies so far ahead that only the peer can say whether it is its own.
void stream::ask(time_point now, effects& out) noexcept {
  if (asked_last_ != time_point::min() && now - asked_last_ < ask_interval) return;
  send_keepalive(now, out);
}

bool stream::repeats_question(const segment_repr& in) const noexcept {
  return question_ != 0 && in.length() == 0 && !in.has(flag::psh) && in.window <= question_ &&
         in.window >= (question_ & ~unsigned{last_of_question});
}

void stream::heard_answer(const segment_repr& in, time_point now) noexcept {
  if ((in.window & last_of_question) == 0) measured(now - asked_at_);
  question_ = 0;
}

/// What an empty segment asks for: the ACK, and its window again.
void stream::answer(const segment_repr& in, effects& out) noexcept {
  auto ack = header(snd_nxt(), flag::ack);
  if (in.length() == 0 && in.window >= first_question) ack.window = in.window;
  out.add(send_segment{ack, {}});
}

/// RFC 6298 §2, but for the first: nothing is sent again too early here, so that one sample need not
/// stand for its double.
void stream::measured(duration round_trip) noexcept {
  if (config_.fellows) config_.fellows->measured(round_trip);
  const auto us = static_cast<std::uint32_t>(std::clamp<duration>(round_trip, 1us, 1min) /
                                             std::chrono::microseconds{1});
  if (round_trip_ == 0) {
    round_trip_ = us;
    round_trip_var_ = us / 8;
    return;
  }
  const auto apart = us > round_trip_ ? us - round_trip_ : round_trip_ - us;
  round_trip_var_ = (3 * round_trip_var_ + apart) / 4;
  round_trip_ = (7 * round_trip_ + us) / 8;
}

/// How long the answer to a probe may take.
duration stream::patience() const noexcept {
  const std::chrono::microseconds late{2 * std::uint64_t{round_trip_} +
                                       4 * std::uint64_t{round_trip_var_}};
  return std::clamp<duration>(late, least_patience, most_patience);
}

/// A datagram, hello or keepalive went out; the first since the peer was last heard starts the
/// clock.
void stream::await_answer(time_point now) noexcept {
  if (awaiting_ || !greeted_ || !is_open() || !rules().answers_probes) return;
  awaiting_ = true;
  probes_ = 0;
  // A live native peer acknowledges within 1 s, and its ACK takes a round trip. tonel's client probes
  // after 3 s itself: let it.
  const bool let_it = !client_ && !rules().hello;
  const auto first = rules().hello ? std::max(rules().first_probe, delayed_ack + patience())
                                   : rules().first_probe + (let_it ? 1s : 0s);
  probe_at_ = now + first;
}

/// All that a window without scale has room for was lost, and trackers let nothing follow: only a new
/// connection can go on. True when this one ended.
bool stream::on_full_window(time_point now, effects& out) noexcept {
  if (client_) {
    if (!std::exchange(silent_, true)) out.add(went_silent{});
    return false;
  }
  ended_ = true;
  send_reset(now, out); // its client answers with another stream
  out.add(ended{end_reason::dead});
  return true;
}

/// Data came in. An entry with one unacknowledged octet has minutes to live in a tracker, and its
/// days back only after an ack of exactly the highest.
/// DEVIATION RFC 9293 §3.8.6.3: the ACK may wait for 1 s and 4 MiB, nothing is sent again anyway.
void stream::owe_ack(time_point now, effects& out) noexcept {
  if (rcv_end_ - ack_sent_ >= (unscaled_ ? most_unacked_unscaled : most_unacked))
    return send_ack(out);
  if (ack_at_ == never) ack_at_ = now + (unscaled_ ? duration{unscaled_delayed_ack} : delayed_ack);
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
                   superseded_at_, window_at_, compare_at_, idle_at()});
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
    syn_repeated_ = true;
    on_syn_timer(now, out);
  } else if (state_ == state::open && client_ && !greeted_) {
    started_ = now;
    attempt_at_ = now;
    on_flight_timer(now, out);
  } else if (is_open() && client_ && rules().answers_probes) {
    // The path may be another by now: the first probe at once, as if it were due.
    awaiting_ = true;
    probes_ = 1;
    probe_at_ = now + (rules().hello ? patience() / quick_share : rules().probe_interval);
    send_keepalive(now, out);
  } else if (state_ == state::open && !client_ && dead_at_ != never) {
    dead_at_ = now + config_.keepalive * 7 / 2;
  }
  return out;
}

/// Whoever forges an ICMP must know numbers that are under way (RFC 5927 §4.1): the SEQ lies between
/// the highest ack and SND.NXT, and the ack is a recent one. Where a router quotes 8 octets of TCP
/// alone, the IPv4 ID stands in for the ack, which is little: enough only while little is under way.
bool stream::quotes_what_is_under_way(const packet_too_big& icmp) const noexcept {
  if (state_ != state::open || icmp.quoted != config_.tuple) return false;
  const auto under_way = snd_end_ - acked_;
  const auto before_next = snd_nxt() - icmp.seq;
  if (before_next <= 0 || static_cast<std::uint64_t>(before_next) > under_way) return false;
  if (icmp.ack) {
    const auto most = std::min<std::uint64_t>(most_beside(under_way), most_unacked);
    const auto behind = rcv_nxt() - *icmp.ack;
    return behind >= 0 && static_cast<std::uint64_t>(behind) <= most;
  }
  const auto ids = static_cast<std::uint16_t>(ip_id_ - acked_id_);
  const auto id = static_cast<std::uint16_t>(icmp.ip_id - acked_id_);
  constexpr std::uint64_t most_pairs = std::uint64_t{1} << 27;
  return is_v4() && id < ids && under_way * ids <= most_pairs;
}

effects stream::on_too_big(const packet_too_big& icmp, time_point now) noexcept {
  effects out;
  const auto mtu = std::max(icmp.mtu, least_mtu(is_v4()));
  if (!quotes_what_is_under_way(icmp) || mtu >= max_datagram_ + header_size(is_v4())) {
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
