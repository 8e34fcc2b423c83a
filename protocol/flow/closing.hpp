#pragma once

#include "protocol/time.hpp"

#include <chrono>
#include <cstdint>

namespace tonel::protocol::flow {

/// The stages of a stream, from its SYN until it is forgotten.
enum class stage : std::uint8_t {
  syn_sent,
  open,
  fin_sent,   ///< we closed first; datagrams are still read
  last_ack,   ///< the peer closed first, and our FIN answered it
  time_wait,  ///< both closed; a repeated FIN is still answered
  reset_sent, ///< we sent a RST; challenges to it are answered
  gone,
};

/// The end of a stream: FIN and RST, their repeats, and the time in which late segments are
/// answered.
/// Shape:  from open by FIN: fin_sent, time_wait, gone; or last_ack, gone; by RST: reset_sent,
///         gone. `gone` may follow any stage; no stage returns
/// Source: RFC 9293 §3.6; docs/wire.md, "Closing"
class closing {
public:
  /// What the stream has to do now.
  enum class act : std::uint8_t {
    nothing,
    send_fin,   ///< repeat our FIN
    send_ack,   ///< acknowledge the peer's FIN
    send_reset, ///< with the peer's ack as sequence number, if that is plausible
    forget,     ///< the stream is gone, and answers nothing any more
  };
  static constexpr duration linger = std::chrono::seconds{10};

  explicit closing(stage first) noexcept : stage_(first) {}

  stage at() const noexcept { return stage_; }
  bool is(stage s) const noexcept { return stage_ == s; }
  /// The handshake is done.
  void open() noexcept { stage_ = stage::open; }
  /// We close first. Send the FIN.
  void close(time_point now, bool at_exit) noexcept;
  /// The peer's FIN has come at RCV.NXT. In `open` our FIN answers it, in fin_sent an ACK, after
  /// which the stream is gone if the process ends.
  act on_fin(time_point now) noexcept;
  /// We end the stream by a RST. Send it; late segments are answered for `lingers`.
  void reset(time_point now, duration lingers = linger) noexcept;
  /// The stream ends at once, and answers nothing any more.
  void forget() noexcept { stage_ = stage::gone; }

  /// A segment other than SYN and RST has come in last_ack, time_wait or reset_sent. all_acked: it
  /// acknowledges our FIN
  act on_late(bool fin, bool all_acked, time_point now) noexcept;
  /// Call it at deadline(). `forget` in fin_sent or last_ack means that our FIN was never answered.
  act on_timer(time_point now) noexcept;
  /// time_point::max() before the end begins, and once the stream is gone.
  time_point deadline() const noexcept;

private:
  void start_fin(time_point now) noexcept;

  time_point since_{};                      ///< when our FIN was first sent
  time_point until_ = time_point::max();    ///< next repeat of our FIN, or end of lingering
  time_point answered_ = time_point::min(); ///< the last RST to a late segment
  stage stage_;
  bool at_exit_ = false;
};

} // namespace tonel::protocol::flow
