#pragma once

#include "protocol/time.hpp"

#include <chrono>
#include <cstdint>

namespace tonel::protocol::flow {

/// Where a stream is between its SYN and its being forgotten.
enum class stage : std::uint8_t {
  syn_sent,
  open,
  fin_sent,   ///< we closed; datagrams are still read
  last_ack,   ///< the peer closed, and our FIN answers it
  time_wait,  ///< both closed; a repeated FIN is answered
  reset_sent, ///< our RST went out; its challenge is answered
  gone,
};

/// How a stream ends: FIN and RST, their repeats, and the time for which late segments are answered.
/// Shape:  open, then by FIN: fin_sent, time_wait, gone; or last_ack, gone; or by RST: reset_sent, gone.
///         `gone` may follow any; there is no way back
/// Source: RFC 9293 §3.6; docs/wire.md, "Closing"
class closing {
public:
  /// What the stream has to do.
  enum class act : std::uint8_t {
    nothing,
    send_fin,   ///< ours, once more
    send_ack,   ///< of the peer's FIN
    send_reset, ///< at what the peer acknowledged, where that can be
    forget,     ///< it is gone: nothing answers any more
  };
  static constexpr duration linger = std::chrono::seconds{10};

  explicit closing(stage first) noexcept : stage_(first) {}

  stage at() const noexcept { return stage_; }
  bool is(stage s) const noexcept { return stage_ == s; }
  /// The handshake is done.
  void open() noexcept { stage_ = stage::open; }
  /// We close. Send the FIN.
  void close(time_point now, bool at_exit) noexcept;
  /// The peer's FIN, in its place: `open` is answered by ours, fin_sent by an ACK, and if the process
  /// ends the stream is gone with that.
  act on_fin(time_point now) noexcept;
  /// We end it without more ado. Send the RST; for so long late segments are answered.
  void reset(time_point now, duration lingers = linger) noexcept;
  void forget() noexcept { stage_ = stage::gone; }

  /// A segment other than SYN and RST, in last_ack, time_wait or reset_sent. all_acked: it
  /// acknowledges our FIN
  act on_late(bool fin, bool all_acked, time_point now) noexcept;
  /// Call at deadline(). In fin_sent and last_ack `forget` says that nobody has answered.
  act on_timer(time_point now) noexcept;
  /// `max` before the end begins, and when it is over.
  time_point deadline() const noexcept;

private:
  void start_fin(time_point now) noexcept;

  time_point since_{};                      ///< of our FIN
  time_point until_ = time_point::max();    ///< the next repeat of it, or the end of lingering
  time_point answered_ = time_point::min(); ///< the last RST to a late segment
  stage stage_;
  bool at_exit_ = false;
};

} // namespace tonel::protocol::flow
