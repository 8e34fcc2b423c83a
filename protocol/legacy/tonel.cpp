#include "protocol/legacy/stream.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tonel::protocol::legacy {

namespace {

using namespace std::chrono_literals;

/// tonel's server drops a connection whose third ACK has not come after this time.
constexpr duration confirm_time = 3s;
constexpr duration first_confirm_time = 2s;
constexpr auto ask_again = 1s;
/// The least time until a handshake packet counts as lost; a needless repeat would be a datagram.
constexpr duration least_packet_wait = 200ms;
constexpr std::uint8_t probe_count = 6;
constexpr duration probe_interval = 3s;
/// Added at a server, since the client probes after the same time itself.
constexpr auto let_it = 1s;
constexpr auto check_time = 3s;

duration confirm_patience(bool first_port) noexcept {
  return first_port ? first_confirm_time : confirm_time;
}

} // namespace

/// tonel 0.6.1: has groups of connections, answers probes, and ends if its own are not answered.
/// Its server takes the first segment for the third ACK, whatever it holds, and the first payload
/// for a handshake packet, if it is set to expect one.
class tonel final : public may_be_tonel {
public:
  tonel() noexcept : may_be_tonel(profile::tonel) {}

  /// Data may be sent only once the third ACK and a handshake packet have arrived. The server's own
  /// handshake packet shows that; without one a probe is sent, whose answer also opens trackers'
  /// windows.
  void established(stream& s, time_point now, effects& out) const noexcept override {
    s.send_packet(out);
    s.answered_at_ = now;
    s.awaits_packet_ = s.has_packet();
    s.timers_.set(timer::attempt, now + confirm_patience(s.first_port_));
    if (s.awaits_packet_) return;
    s.send_probe(0, out);
    s.timers_.set(timer::attempt, now + ask_again);
  }
  std::uint16_t group_token(const stream& s) const noexcept override {
    return s.joins_ ? std::uint16_t{0} : token_in(s.space_.irs);
  }
  void greet(stream& s, time_point now, effects& out) const noexcept override {
    s.send_opener(now, out);
  }
  /// An ACK would reach its application. Ends the stream; the client opens another for its next
  /// datagram.
  void on_stuck_upload(stream& s, time_point now, effects& out) const noexcept override {
    s.end(end_reason::dead, now, out);
  }

  void heard(stream& s, time_point now) const noexcept override { await_answer(s, now); }
  void on_payload(stream& s, const segment_repr& in, std::int64_t at, bool acknowledges,
                  time_point now, effects& out) const noexcept override {
    if (!s.awaits_packet_) return may_be_tonel::on_payload(s, in, at, acknowledges, now, out);
    s.watch_window();
    on_opening_payload(s, in, at, acknowledges, now, out);
  }
  /// tonel closes by a RST with sequence number 0, which proves nothing: probes whether it is
  /// alive.
  void on_doubtful_reset(stream& s, time_point now, effects& out) const noexcept override {
    if (s.probes_ == probe_count) return;
    s.awaiting_ = true;
    s.probes_ = probe_count;
    s.timers_.set(timer::probe, now + probe_interval);
    s.send_keepalive(now, out);
  }

  void await_answer(stream& s, time_point now) const noexcept override {
    if (s.awaiting_ || !s.is_open()) return;
    s.awaiting_ = true;
    s.probes_ = 0;
    s.timers_.set(timer::probe, now + probe_interval + (s.client_ ? 0s : let_it));
  }
  void delivered(stream& s, time_point now) const noexcept override {
    // A download without uploads must notice a lost path as well.
    s.timers_.set(timer::check, now + check_time);
  }
  void send_keepalive(stream& s, effects& out) const noexcept override { s.send_probe(0, out); }

  bool on_timer(stream& s, time_point now, effects& out) const noexcept override {
    return on_confirm_timer(s, now, out) || on_probe_timer(s, now, out);
  }
  void on_resume(stream& s, time_point now, effects& out) const noexcept override {
    if (!s.greeted_) {
      s.started_ = now;
      s.timers_.set(timer::attempt, now);
      on_confirm_timer(s, now, out);
    } else if (s.is_open()) {
      // The path may have changed: sends the first probe at once, as if it were due.
      s.awaiting_ = true;
      s.probes_ = 1;
      s.timers_.set(timer::probe, now + probe_interval);
      s.send_keepalive(now, out);
    }
  }

private:
  static bool on_confirm_timer(stream& s, time_point now, effects& out) noexcept;
  static bool on_probe_timer(stream& s, time_point now, effects& out) noexcept;
  static void on_opening_payload(stream& s, const segment_repr& in, std::int64_t at,
                                 bool acknowledges, time_point now, effects& out) noexcept;
};

/// True: the port was given up.
bool tonel::on_confirm_timer(stream& s, time_point now, effects& out) noexcept {
  if (!s.timers_.due(timer::attempt, now)) return false;
  const auto patience = confirm_patience(s.first_port_);
  if (now - s.started_ < patience) {
    s.send_probe(0, out);
    s.timers_.set(timer::attempt, s.started_ + patience);
    return false;
  }
  if (s.has_packet() && s.last_port_) {
    s.confirm(now, out); // the server seems to send none
    return false;
  }
  s.send_reset(now, out);
  s.give_up_port(out);
  return true;
}

/// True: the stream was found dead.
bool tonel::on_probe_timer(stream& s, time_point now, effects& out) noexcept {
  if (!s.timers_.due(timer::probe, now)) return false;
  if (s.probes_ == 1 && s.client_ && !std::exchange(s.silent_, true)) out.add(went_silent{});
  if (s.probes_ < probe_count) {
    ++s.probes_;
    s.timers_.set(timer::probe, now + probe_interval);
    s.send_keepalive(now, out);
    return false;
  }
  s.timers_.clear(timer::probe);
  s.end(end_reason::dead, now, out);
  return true;
}

/// A server sends its handshake packet once ours has come, so it is the first payload, by sequence
/// number, that acknowledges ours; on a connection that joins a group, datagrams may precede it.
void tonel::on_opening_payload(stream& s, const segment_repr& in, std::int64_t at,
                               bool acknowledges, time_point now, effects& out) noexcept {
  const auto start = static_cast<std::uint64_t>(at);
  if (acknowledges) {
    // Behind a gap, the packet may be in the gap: a join then loses this datagram in its place; on
    // a first connection no datagrams precede the packet, so only the packet was lost.
    if (s.peer_control_ == 0 && (start == s.packet_at_ || s.joins_))
      s.peer_control_ = start + in.datagram_size;
    s.confirm(now, out);
    return s.deliver_data(s.peer_control_, in, at, now, out);
  }
  if (start == s.packet_at_) s.packet_at_ = start + in.payload_length;
  s.deliver_data(0, in, at, now, out);
  // A segment sent after our packet should have arrived acknowledges it.
  const auto wait = std::max<duration>(2 * s.trip_.smoothed(), least_packet_wait);
  if (s.greeted_ || now - s.answered_at_ < wait) return;
  s.answered_at_ = now;
  s.send_packet(out);
}

const peer& tonel_peer() noexcept {
  static const tonel one;
  return one;
}

} // namespace tonel::protocol::legacy
