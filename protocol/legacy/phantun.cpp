#include "protocol/legacy/stream.hpp"

namespace tonel::protocol::legacy {

namespace {

using namespace std::chrono_literals;

/// How long what is sent at once is bounded for want of a word of the server.
constexpr auto patience = 1s;

} // namespace

/// phantun 0.8.1: it repeats its SYN, an ACK without payload reaches no application of its, and it answers
/// no probe but one. It has no groups, and neither waits for a handshake packet nor drops one.
class phantun final : public peer {
public:
  phantun() noexcept : peer(profile::phantun, {1s, 2s, 3s, 3s}) {}

  /// The server throws away the payload of what completes the handshake, and its application never sees
  /// an empty segment, so the ACK can go twice. It says nothing by itself, but to tonel's probe it says
  /// one ACK, which opens the trackers' windows for what its application sends at once. What follows sets
  /// its ack field right.
  void established(stream& s, time_point now, effects& out) const noexcept override {
    s.send_ack(out);
    s.send_opener(now, out);
    s.send_packet(out);
    s.answered_at_ = now;
    s.held_back_until_ = now + patience;
    s.confirm(now, out);
  }
  /// It does so until the third ACK has arrived.
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
  /// As long as it is 0, a RST from a restarted server is useless. The trackers' window is opened by this,
  /// too, however much is under way.
  void on_spoilt_ack(stream& s, effects& out) const noexcept override { s.send_ack(out); }
};

const peer& phantun_peer() noexcept {
  static const phantun one;
  return one;
}

} // namespace tonel::protocol::legacy
