#include "protocol/run.hpp"
#include "protocol/stream.hpp"
#include "protocol/wire.hpp"

#include <algorithm>
#include <utility>

namespace tonel::protocol {

namespace {

using namespace std::chrono_literals;

// Times since the first flight; the last one is where the port is given up.
constexpr std::array<duration, 5> flight_schedule{250ms, 1s, 2s, 4s, 8s};
/// A SYN proxy's own handshake with the server, after which it opens its window, takes no longer.
constexpr duration proxy_patience = 1s;
/// A SYN that is not repeated: with the handshake that follows on another port, less than datagrams
/// wait for a session.
constexpr duration first_port_time = 1s;
/// Assumed where the peer's SYN has no MSS (RFC 9293 §3.7.1).
constexpr std::uint16_t default_mss_v4 = 536;
constexpr std::uint16_t default_mss_v6 = 1'220;

/// Until the peer has spoken, or for good where the window scale is taken away.
constexpr std::uint32_t most_before_scale = 60'000;

} // namespace

stream stream::connect(const stream_config& config) noexcept {
  stream s{config, true};
  if (!s.rules().hello) s.config_.iss = {config.join_token};
  return s;
}

stream stream::accept(const stream_config& config, const hello_repr& hello, seq_num client_iss,
                      time_point now) noexcept {
  stream s{config, false};
  s.config_.session.id = hello.session;
  s.config_.session.counter = hello.counter;
  s.config_.session.introduces = false;
  if (hello.introduces) s.config_.session.secret = hello.secret;
  s.config_.stream_index = hello.stream_index;
  s.config_.stream_count = hello.stream_count;
  s.config_.keepalive = hello.keepalive;
  s.irs_ = client_iss;
  s.state_ = state::open;
  s.greeted_ = true;
  s.peer_spoke_ = true;
  s.peer_control_ = hello.control_length;
  s.peer_hello_ = hello.offset;
  s.peer_mtu_ = hello.mtu;
  s.unscaled_ = (hello.capabilities & capability::unscaled) != 0;
  s.last_datagram_ = now;
  s.update_mtu(nullptr);
  s.prepare_hello();
  if (s.config_.keepalive > duration::zero()) s.dead_at_ = now + s.config_.keepalive * 7 / 2;
  return s;
}

effects stream::open(time_point now) noexcept {
  effects out;
  if (!client_ || state_ != state::syn_sent) return out;
  started_ = now;
  last_datagram_ = now;
  on_syn_timer(now, out);
  return out;
}

/// The SYN, first or repeated: same sequence number, so that any SYN-ACK fits.
void stream::on_syn_timer(time_point now, effects& out) noexcept {
  const auto& schedule = rules().syn_schedule;
  const bool one_syn = schedule.front() == schedule.back();
  const auto patience = one_syn && config_.first_port ? first_port_time : schedule.back();
  if (now - started_ >= patience) {
    give_up_port(out);
    return forget(out);
  }
  if (now != started_) syn_repeated_ = true;
  auto syn = header(config_.iss, flag::syn);
  if (rules().hello) {
    syn.mss = mss_for(config_.mtu, is_v4());
    syn.window = syn_window(syn.mss);
  }
  out.add(send_segment{syn, {}});
  attempt_at_ = std::min(next_of(schedule, started_, now), started_ + patience);
}

void stream::give_up_port(effects& out) noexcept {
  ended_ = true;
  if (config_.last_port)
    out.add(ended{end_reason::timed_out});
  else
    out.add(try_new_port{});
}

void stream::on_syn_sent(const segment_repr& in, time_point now, effects& out) noexcept {
  const bool of_our_syn = in.has(flag::ack) && in.ack == iss_plus_1();
  if (in.has(flag::rst)) {
    // tonel's RST for a port where nobody listens does not count the SYN.
    const bool uncounted = !rules().hello && in.has(flag::ack) && in.ack == config_.iss;
    if (!of_our_syn && !uncounted) {
      out.add(count_drop{errc::out_of_window, 1});
      return;
    }
    ended_ = true;
    out.add(ended{end_reason::refused});
    return forget(out);
  }
  if (of_our_syn && in.has(flag::syn)) return establish(in, now, out);
  if (!in.has(flag::ack) || of_our_syn || !rules().hello) {
    // DEVIATION RFC 9293 §3.5: no simultaneous open; a server never sends the first SYN.
    out.add(count_drop{errc::bad_flags, 1});
    return;
  }
  // The other end still has a connection of this 4-tuple: its challenge ACK names its RCV.NXT, a
  // RST there ends it, and the SYN that follows finds nothing in its way.
  out.add(count_drop{errc::out_of_window, 1});
  if (answered_at_ != time_point::min() && now - answered_at_ < repeat_interval) return;
  answered_at_ = now;
  out.add(send_segment{header(in.ack, flag::rst), {}});
  on_syn_timer(now, out);
}

void stream::establish(const segment_repr& in, time_point now, effects& out) noexcept {
  if (!rules().hello) return establish_legacy(in, now, out);
  if (config_.detect_legacy && !in.sack_permitted && in.seq.raw <= 65'535) {
    // Neither tonel nor phantun permits SACK, which firewalls strip from a native SYN-ACK, too; but
    // that never starts so low. A RST in the place of our third ACK frees their end.
    ended_ = true;
    irs_ = in.seq;
    out.add(send_segment{header(iss_plus_1(), flag::rst | flag::ack), {}});
    out.add(peer_is_legacy{token_in(in.seq) != 0 ? profile::tonel : profile::phantun});
    return forget(out);
  }
  irs_ = in.seq;
  state_ = state::open;
  if (!syn_repeated_) measured(now - started_);
  unscaled_ = in.window_scale < 0;
  if (unscaled_) out.add(window_unscaled{});
  // Trackers read the window of a SYN unscaled.
  first_window_ = std::min<std::uint32_t>(first_window_, in.window);
  const auto mss = in.mss != 0 ? in.mss : is_v4() ? default_mss_v4 : default_mss_v6;
  peer_mtu_ =
      static_cast<std::uint16_t>(std::min<std::uint32_t>(65'535, mss + header_size(is_v4())));
  update_mtu(&out);
  prepare_hello();

  send_ack(out);
  started_ = now;
  attempt_at_ = next_of(flight_schedule, started_, now);
  // A SYN proxy answers with a window of 0, and opens it when it has the server's SYN-ACK: until then it
  // throws away what comes, or takes it for another third ACK.
  shut_ = in.window == 0;
  if (shut_) {
    attempt_at_ = now + proxy_patience;
    return;
  }
  send_flight(now, out);
  out.add(opened{});
}

void stream::first_word(time_point now, effects& out) noexcept {
  peer_spoke_ = true;
  if (!std::exchange(shut_, false)) return;
  first_window_ = most_before_scale; // what it opens is at least the SYN's of a server
  if (snd_end_ == 0) send_flight(now, out);
  out.add(opened{});
}

/// Written once: a repeat must look like the retransmission that it claims to be.
void stream::prepare_hello() noexcept {
  const auto packet = config_.handshake_packet ? config_.handshake_packet->size() : 0;
  hello_repr hello;
  hello.offset = static_cast<std::uint32_t>(packet);
  hello.control_length = static_cast<std::uint32_t>(packet + hello_size);
  hello.introduces = config_.session.introduces;
  hello.session = config_.session.id;
  hello.counter = config_.session.counter;
  hello.client_iss = client_ ? config_.iss : irs_;
  hello.server_iss = client_ ? irs_ : config_.iss;
  hello.stream_index = config_.stream_index;
  hello.stream_count = config_.stream_count;
  if (unscaled_) hello.capabilities |= capability::unscaled;
  hello.keepalive = std::chrono::duration_cast<std::chrono::seconds>(config_.keepalive);
  hello.mtu =
      client_ ? static_cast<std::uint16_t>(max_datagram_ + header_size(is_v4())) : config_.mtu;
  hello_ = encode_hello(hello, config_.session.secret);
}

/// Handshake packet and hello, each in its own segment with PSH, which keeps GRO from merging them.
void stream::send_flight(time_point now, effects& out) noexcept {
  constexpr std::uint8_t flags = flag::ack | flag::psh;
  std::uint32_t at = 0;
  if (const auto& packet = config_.handshake_packet; packet && !packet->empty()) {
    out.add(send_segment{header(iss_plus_1(), flags), *packet});
    at = static_cast<std::uint32_t>(packet->size());
  }
  out.add(send_segment{header(iss_plus_1() + at, flags), hello_});
  snd_end_ = std::max<std::uint64_t>(snd_end_, at + hello_size);
  answered_at_ = now;
  await_answer(now);
}

/// Of this stream's server. Its view of the sequence numbers may be another: firewalls change them.
bool stream::is_ours(const hello_repr& hello) const noexcept {
  return hello.session == config_.session.id && hello.counter == config_.session.counter &&
         hello.stream_index == config_.stream_index && !hello.introduces &&
         proves(hello, config_.session.secret);
}

/// Nothing that follows could be read.
void stream::refuse_hello(errc reason, end_reason why, time_point now, effects& out) noexcept {
  out.add(count_drop{reason, 1});
  ended_ = true;
  send_reset(now, out);
  out.add(ended{why});
}

void stream::greet(const hello_repr& hello, time_point now, effects& out) noexcept {
  greeted_ = true;
  // Where the SYN was repeated nobody knows which one was answered; too long a time does less harm.
  if (round_trip_ == 0) measured(now - started_);
  attempt_at_ = never;
  peer_control_ = hello.control_length;
  peer_hello_ = hello.offset;
  peer_mtu_ = std::min(peer_mtu_, hello.mtu);
  last_datagram_ = now;
  out.add(greeted{hello});
  update_mtu(&out);
}

/// Data that came before the server's hello: which octets are control is not known yet.
void stream::hold(const segment_repr& in, time_point now, effects& out) noexcept {
  if (held_segments_ < max_held_segments && held_bytes_ + in.payload_length <= max_held_bytes) {
    ++held_segments_;
    held_bytes_ += in.payload_length;
    out.add(hold_segment{});
  } else {
    out.add(count_drop{errc::hold_full, datagrams_in(in.payload_length, in.datagram_size)});
  }
  if (answered_at_ == time_point::min() || now - answered_at_ >= repeat_interval)
    send_flight(now, out);
}

/// True when the port was given up.
bool stream::on_flight_timer(time_point now, effects& out) noexcept {
  if (attempt_at_ > now) return false;
  if (!rules().hello) return on_confirm_timer(now, out);
  if (now - started_ >= flight_schedule.back()) {
    // The server may have a stream that can't reach us.
    send_reset(now, out);
    give_up_port(out);
    return true;
  }
  send_flight(now, out);
  attempt_at_ = next_of(flight_schedule, started_, now);
  return false;
}

} // namespace tonel::protocol
