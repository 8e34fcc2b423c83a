#include "protocol/legacy/stream.hpp"

namespace tonel::protocol::legacy {

namespace {

using namespace std::chrono_literals;

/// How long early datagrams are limited if the server sends nothing.
constexpr auto patience = 1s;

} // namespace

/// phantun 0.8.1: repeats its SYN, hands no empty segment to its application, and answers one probe
/// at most. It has no groups, and neither waits for a handshake packet nor drops one.
class phantun final : public peer {
public:
  phantun() noexcept : peer(profile::phantun, {1s, 2s, 3s, 3s}) {}

  /// The server drops the payload of the segment that completes the handshake, and hands no empty
  /// segment to its application, so the ACK is sent twice. It sends nothing by itself, but answers
  /// tonel's probe by one ACK, which opens trackers' windows for the first datagrams of its
  /// application. Our next segment corrects its ack field.
  void established(stream& s, time_point now, effects& out) const noexcept override {
    s.send_ack(out);
    s.send_opener(now, out);
    s.send_packet(out);
    s.answered_at_ = now;
    s.held_back_until_ = now + patience;
    s.confirm(now, out);
  }
  /// phantun repeats its SYN-ACK until the third ACK has arrived.
  bool repeats_syn_ack(stream& s, effects& out) const noexcept override {
    s.send_ack(out);
    return true;
  }
  void greet(stream& s, time_point, effects& out) const noexcept override { s.send_ack(out); }

  void on_payload(stream& s, const segment_repr& in, std::int64_t at, bool, time_point now,
                  effects& out) const noexcept override {
    s.owe_ack(now, out);
    s.watch_window();
    s.confirm(now, out);
    s.skip_packet(in, at);
    s.deliver_data(s.peer_control_, in, at, now, out);
  }
  /// With ack 0 in the client's segments, a restarted server could make no useful RST: our ACK
  /// corrects the field. It also opens trackers' windows, however much is under way.
  void on_spoilt_ack(stream& s, effects& out) const noexcept override { s.send_ack(out); }
};

const peer& phantun_peer() noexcept {
  static const phantun one;
  return one;
}

} // namespace tonel::protocol::legacy
