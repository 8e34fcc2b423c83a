#pragma once

#include "protocol/effects.hpp"
#include "protocol/packet.hpp"
#include "protocol/profile.hpp"
#include "protocol/time.hpp"

#include <array>
#include <cstdint>

namespace tonel::protocol::legacy {

class stream;

/// What sets the older programs apart: a type for each, and one for a peer that has not shown which it
/// is. They have no state: a stream that learns what its peer is goes on with another of them. What is
/// not asked of them is common to all, and legacy::stream's.
/// Shape: unless a type says otherwise, nothing is done
class peer {
public:
  peer(const peer&) = delete;
  peer& operator=(const peer&) = delete;
  virtual ~peer() = default;

  profile shown() const noexcept { return shown_; }
  /// When a client repeats its SYN; the last one is where the port is given up.
  const std::array<duration, 4>& syn_schedule() const noexcept { return syn_schedule_; }

  /// Client: the SYN-ACK came, and the third ACK has been sent.
  virtual void established(stream& s, time_point now, effects& out) const noexcept;
  /// Client: the SYN-ACK came again. True: that means something.
  virtual bool repeats_syn_ack(stream& s, effects& out) const noexcept;
  /// Client: what further streams of the session join this one's group with; 0: nothing.
  virtual std::uint16_t group_token(const stream& s) const noexcept;
  /// Server: the first segment came, and there is no handshake packet to answer with.
  virtual void greet(stream& s, time_point now, effects& out) const noexcept;
  /// Server: an upload stands still, as nothing has opened a tracker's window.
  virtual void on_stuck_upload(stream& s, time_point now, effects& out) const noexcept;

  /// Server: a segment of the peer came, in its place.
  virtual void heard(stream& s, time_point now) const noexcept;
  /// acknowledges: it does, and more than the handshake
  virtual void on_payload(stream& s, const segment_repr& in, std::int64_t at, bool acknowledges,
                          time_point now, effects& out) const noexcept = 0;
  /// A segment without payload; newly_acked: octets.
  virtual void on_empty(stream& s, const segment_repr& in, std::int64_t at,
                        std::int64_t newly_acked, time_point now, effects& out) const noexcept;
  /// What the peer is, now that it has shown what one of the programs alone does.
  virtual const peer& shows(profile p) const noexcept;
  /// Server: the peer has answered our probe, which has set its ack field to 0.
  virtual void on_spoilt_ack(stream& s, effects& out) const noexcept;
  /// A RST came out of its place.
  virtual void on_doubtful_reset(stream& s, time_point now, effects& out) const noexcept;

  /// A datagram or a keepalive went out.
  virtual void await_answer(stream& s, time_point now) const noexcept;
  /// Client: a datagram came.
  virtual void delivered(stream& s, time_point now) const noexcept;
  virtual void send_keepalive(stream& s, effects& out) const noexcept;
  /// Looks at the timers that this dialect alone sets. True: the stream, or its port, was given up.
  virtual bool on_timer(stream& s, time_point now, effects& out) const noexcept;
  /// Client: after suspend.
  virtual void on_resume(stream& s, time_point now, effects& out) const noexcept;

protected:
  peer(profile shown, const std::array<duration, 4>& syn_schedule) noexcept
      : shown_(shown), syn_schedule_(syn_schedule) {}

private:
  profile shown_;
  std::array<duration, 4> syn_schedule_;
};

/// What holds for tonel, and for whoever may be tonel: an empty segment is a datagram of length zero,
/// and there is one SYN a port, since a second one kills tonel's half-open connection.
class may_be_tonel : public peer {
public:
  void on_payload(stream& s, const segment_repr& in, std::int64_t at, bool acknowledges,
                  time_point now, effects& out) const noexcept override;
  void on_empty(stream& s, const segment_repr& in, std::int64_t at, std::int64_t newly_acked,
                time_point now, effects& out) const noexcept override;

protected:
  explicit may_be_tonel(profile shown) noexcept;
};

// Each in a file of its own.
const peer& tonel_peer() noexcept;
const peer& phantun_peer() noexcept;
const peer& unknown_peer() noexcept;
/// The one of these that has shown this.
const peer& peer_that(profile shows) noexcept;

} // namespace tonel::protocol::legacy
