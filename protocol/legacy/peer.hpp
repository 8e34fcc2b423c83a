#pragma once

#include "protocol/effects.hpp"
#include "protocol/packet.hpp"
#include "protocol/profile.hpp"
#include "protocol/time.hpp"

#include <array>
#include <cstdint>

namespace tonel::protocol::legacy {

class stream;

/// The differences between the legacy programs: a type for each, and one for a peer that has not
/// shown which it is. The types have no state: a stream that learns its peer's program goes on with
/// another type. Everything that the programs have in common is in legacy::stream.
/// Shape: a function does nothing unless a type overrides it
class peer {
public:
  peer(const peer&) = delete;
  peer& operator=(const peer&) = delete;
  virtual ~peer() = default;

  /// The dialect, as far as the peer has shown it.
  profile shown() const noexcept { return shown_; }
  /// Times of a client's repeated SYNs, counted from the first; at the last the port is given up.
  const std::array<duration, 4>& syn_schedule() const noexcept { return syn_schedule_; }

  /// Client: the SYN-ACK has come, and the third ACK was sent.
  virtual void established(stream& s, time_point now, effects& out) const noexcept;
  /// Client: the SYN-ACK came again. True: this dialect repeats it; false: count it as dropped.
  virtual bool repeats_syn_ack(stream& s, effects& out) const noexcept;
  /// Client: the token with which further streams of the session join this stream's group; 0: none.
  virtual std::uint16_t group_token(const stream& s) const noexcept;
  /// Server: the first segment came, and there is no handshake packet to answer it with.
  virtual void greet(stream& s, time_point now, effects& out) const noexcept;
  /// Server: an upload has stopped, since nothing has opened a tracker's window.
  virtual void on_stuck_upload(stream& s, time_point now, effects& out) const noexcept;

  /// Server: a valid segment of the peer came.
  virtual void heard(stream& s, time_point now) const noexcept;
  /// A segment with payload. acknowledges: more than the handshake
  virtual void on_payload(stream& s, const segment_repr& in, std::int64_t at, bool acknowledges,
                          time_point now, effects& out) const noexcept = 0;
  /// A segment without payload. newly_acked: octets
  virtual void on_empty(stream& s, const segment_repr& in, std::int64_t at,
                        std::int64_t newly_acked, time_point now, effects& out) const noexcept;
  /// The type to go on with, after the peer has done what only program `p` does.
  virtual const peer& shows(profile p) const noexcept;
  /// Server: the peer has answered our probe, which sets the peer's ack field to 0.
  virtual void on_spoilt_ack(stream& s, effects& out) const noexcept;
  /// A RST came whose sequence number proves nothing.
  virtual void on_doubtful_reset(stream& s, time_point now, effects& out) const noexcept;

  /// A datagram or a keepalive was sent.
  virtual void await_answer(stream& s, time_point now) const noexcept;
  /// Client: a datagram came.
  virtual void delivered(stream& s, time_point now) const noexcept;
  /// Client: sends a keepalive in the peer's dialect.
  virtual void send_keepalive(stream& s, effects& out) const noexcept;
  /// Handles the timers that only this dialect sets. True: the stream, or its port, was given up.
  virtual bool on_timer(stream& s, time_point now, effects& out) const noexcept;
  /// Client: called after suspend.
  virtual void on_resume(stream& s, time_point now, effects& out) const noexcept;

protected:
  peer(profile shown, const std::array<duration, 4>& syn_schedule) noexcept
      : shown_(shown), syn_schedule_(syn_schedule) {}

private:
  profile shown_;
  std::array<duration, 4> syn_schedule_;
};

/// Rules for tonel, and for a peer that may be tonel: an empty segment is a zero-length datagram,
/// and a port gets one SYN only, since a second one kills tonel's half-open connection.
class may_be_tonel : public peer {
public:
  void on_payload(stream& s, const segment_repr& in, std::int64_t at, bool acknowledges,
                  time_point now, effects& out) const noexcept override;
  void on_empty(stream& s, const segment_repr& in, std::int64_t at, std::int64_t newly_acked,
                time_point now, effects& out) const noexcept override;

protected:
  explicit may_be_tonel(profile shown) noexcept;
};

// Each type is in a file of its own.
const peer& tonel_peer() noexcept;
const peer& phantun_peer() noexcept;
const peer& unknown_peer() noexcept;
/// The type for a peer that has shown this dialect.
const peer& peer_that(profile shows) noexcept;

} // namespace tonel::protocol::legacy
