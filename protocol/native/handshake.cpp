#include "protocol/native/stream.hpp"
#include "protocol/run.hpp"
#include "protocol/wire.hpp"

#include <algorithm>
#include <utility>

namespace tonel::protocol::native {

namespace {

using namespace std::chrono_literals;

/// Repeats of the SYN, counted from the first; at the last time the port is given up.
constexpr std::array<duration, 4> syn_schedule{1s, 3s, 7s, 15s};
// Repeats of the first flight, counted from the first; at the last time the port is given up.
constexpr std::array<duration, 5> flight_schedule{250ms, 1s, 2s, 4s, 8s};
/// The time for a SYN proxy's own handshake with the server, after which it opens its window.
constexpr duration proxy_patience = 1s;
/// Assumed where the peer's SYN has no MSS (RFC 9293 §3.7.1).
constexpr std::uint16_t default_mss_v4 = 536;
constexpr std::uint16_t default_mss_v6 = 1'220;

/// The most octets under way until the peer's first segment; for good without window scale.
constexpr std::uint32_t most_before_scale = 60'000;

} // namespace

stream stream::connect(const stream_config& config) noexcept { return {config, true}; }

stream stream::accept(const stream_config& config, const hello_repr& hello, seq_num client_iss,
                      time_point now) noexcept {
  stream s{config, false};
  s.session_.id = hello.session;
  s.session_.counter = hello.counter;
  s.session_.introduces = false;
  if (hello.introduces) {
    s.session_.secret = hello.secret;
    s.key_capability_ = key_capability(hello.secret, config.key_mark);
  }
  s.stream_index_ = hello.stream_index;
  s.stream_count_ = hello.stream_count;
  s.keepalive_ = hello.keepalive;
  s.space_.irs = client_iss;
  s.closing_.open();
  s.greeted_ = true;
  s.peer_spoke_ = true;
  s.peer_control_ = hello.control_length;
  s.peer_hello_ = hello.offset;
  s.unscaled_ = (hello.capabilities & capability::unscaled) != 0;
  s.idle_.begin(now);
  s.mtu_.peer_takes(hello.mtu);
  if (s.keepalive_ > duration::zero()) s.timers_.set(timer::dead, now + s.keepalive_ * 7 / 2);
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
  if (now - started_ >= syn_schedule.back()) {
    give_up_port(out);
    return forget(out);
  }
  if (now != started_) syn_repeated_ = true;
  auto syn = header(space_.iss, flag::syn);
  syn.mss = mss_for(device_mtu_, is_v4());
  syn.window = syn_window(syn.mss);
  out.add(send_segment{syn, {}});
  timers_.set(timer::attempt, next_of(syn_schedule, started_, now));
}

effects stream::on_undelivered(const packet_undelivered& icmp) noexcept {
  return flow::undelivered(icmp, closing_, space_);
}

void stream::on_syn_sent(const segment_repr& in, time_point now, effects& out) noexcept {
  const bool of_our_syn = in.has(flag::ack) && in.ack == space_.first();
  if (in.has(flag::rst)) {
    if (!of_our_syn) {
      out.add(count_drop{errc::out_of_window, 1});
      return;
    }
    ended_ = true;
    out.add(ended{end_reason::refused});
    return forget(out);
  }
  if (of_our_syn && in.has(flag::syn)) return establish(in, now, out);
  if (!in.has(flag::ack) || of_our_syn) {
    // DEVIATION RFC 9293 §3.5: no simultaneous open; a server never sends the first SYN.
    out.add(count_drop{errc::bad_flags, 1});
    return;
  }
  // The peer still has an earlier connection of this 4-tuple: its challenge ACK names its RCV.NXT;
  // a RST there ends that connection, and the next SYN finds none.
  out.add(count_drop{errc::out_of_window, 1});
  if (answered_at_ != time_point::min() && now - answered_at_ < repeat_interval) return;
  answered_at_ = now;
  out.add(send_segment{header(in.ack, flag::rst), {}});
  on_syn_timer(now, out);
}

void stream::establish(const segment_repr& in, time_point now, effects& out) noexcept {
  space_.irs = in.seq;
  if (const auto shown = detect_legacy_ ? older_syn_ack(in) : std::nullopt) {
    // A RST in place of our third ACK frees the server's end.
    ended_ = true;
    out.add(send_segment{header(space_.first(), flag::rst | flag::ack), {}});
    out.add(peer_is_legacy{*shown});
    return forget(out);
  }
  closing_.open();
  if (!syn_repeated_) measured(now - started_);
  unscaled_ = in.window_scale < 0;
  if (unscaled_) out.add(window_unscaled{});
  // Trackers read the window of a SYN unscaled.
  first_window_ = std::min<std::uint32_t>(first_window_, in.window);
  const auto mss = in.mss != 0 ? in.mss : is_v4() ? default_mss_v4 : default_mss_v6;
  if (mtu_.peer_takes(mss + header_size(is_v4()))) out.add(mtu_changed{mtu_.max_datagram()});

  send_ack(out);
  started_ = now;
  timers_.set(timer::attempt, next_of(flight_schedule, started_, now));
  // A SYN proxy answers with a window of 0, and opens it after the server's SYN-ACK: until then it
  // drops segments, or takes them for another third ACK.
  shut_ = in.window == 0;
  if (shut_) {
    timers_.set(timer::attempt, now + proxy_patience);
    return;
  }
  send_flight(now, out);
  out.add(opened{});
}

void stream::first_word(time_point now, effects& out) noexcept {
  peer_spoke_ = true;
  if (!std::exchange(shut_, false)) return;
  first_window_ = most_before_scale; // a proxy opens at least a SYN-ACK's window
  if (space_.snd_end == 0) send_flight(now, out);
  out.add(opened{});
}

std::array<std::uint8_t, hello_size> stream::encoded_hello() const noexcept {
  const auto packet = handshake_packet_ ? handshake_packet_->size() : 0;
  hello_repr hello;
  hello.offset = static_cast<std::uint32_t>(packet);
  hello.control_length = static_cast<std::uint32_t>(packet + hello_size);
  hello.introduces = session_.introduces;
  hello.session = session_.id;
  hello.counter = session_.counter;
  hello.client_iss = client_ ? space_.iss : space_.irs;
  hello.server_iss = client_ ? space_.irs : space_.iss;
  hello.stream_index = stream_index_;
  hello.stream_count = stream_count_;
  hello.capabilities = key_capability_ | (unscaled_ ? capability::unscaled : 0);
  hello.keepalive = std::chrono::duration_cast<std::chrono::seconds>(keepalive_);
  hello.mtu = client_ ? static_cast<std::uint16_t>(mtu_.packet()) : device_mtu_;
  return encode_hello(hello, session_.secret);
}

/// Sends handshake packet and hello, each in its own segment with PSH, so that GRO does not merge
/// them.
void stream::send_flight(time_point now, effects& out) noexcept {
  constexpr std::uint8_t flags = flag::ack | flag::psh;
  std::uint32_t at = 0;
  if (const auto& packet = handshake_packet_; packet && !packet->empty()) {
    out.add(send_segment{header(space_.first(), flags), *packet});
    at = static_cast<std::uint32_t>(packet->size());
  }
  // A repeat must look like a retransmission; what a server's hello says never changes.
  if (!hello_) hello_ = boxed{encoded_hello()};
  out.add(send_segment{header(space_.first() + at, flags), *hello_});
  space_.sent_to(at + hello_size);
  answered_at_ = now;
  await_answer(now);
}

/// Whether a hello is from this stream's server, whose sequence numbers firewalls may have changed.
bool stream::is_ours(const hello_repr& hello) const noexcept {
  return hello.session == session_.id && hello.counter == session_.counter &&
         hello.stream_index == stream_index_ && !hello.introduces && proves(hello, session_.secret);
}

/// At the start of the peer's direction, where its hello or its handshake packet should be.
void stream::note_strange(byte_view payload, std::int64_t at, effects& out) noexcept {
  if (!client_ || at != 0 || payload.empty() || std::exchange(strange_, true)) return;
  spoke_otherwise said;
  said.size = static_cast<std::uint8_t>(std::min(payload.size(), said.octets.size()));
  std::copy_n(payload.begin(), said.size, said.octets.begin());
  out.add(said);
}

/// Ends the stream: without the peer's hello, no further segment can be understood.
void stream::refuse_hello(errc reason, end_reason why, time_point now, effects& out) noexcept {
  out.add(count_drop{reason, 1});
  ended_ = true;
  send_reset(now, out);
  out.add(ended{why});
}

void stream::greet(const hello_repr& hello, time_point now, effects& out) noexcept {
  greeted_ = true;
  // After repeats it is unknown which SYN was answered; a time that is too long does less harm.
  if (!trip_.known()) measured(now - started_);
  timers_.clear(timer::attempt);
  peer_control_ = hello.control_length;
  peer_hello_ = hello.offset;
  idle_.begin(now);
  out.add(greeted{hello});
  if (mtu_.peer_takes(hello.mtu)) out.add(mtu_changed{mtu_.max_datagram()});
}

/// Holds data that came before the server's hello, since the end of control is not known yet.
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

/// True: the port was given up.
bool stream::on_flight_timer(time_point now, effects& out) noexcept {
  if (!timers_.due(timer::attempt, now)) return false;
  if (now - started_ >= flight_schedule.back()) {
    // The server may have made a stream whose segments do not reach us.
    send_reset(now, out);
    give_up_port(out);
    return true;
  }
  send_flight(now, out);
  timers_.set(timer::attempt, next_of(flight_schedule, started_, now));
  return false;
}

} // namespace tonel::protocol::native
