#pragma once

#include "protocol/bytes.hpp"
#include "protocol/errc.hpp"
#include "protocol/hello.hpp"
#include "protocol/packet.hpp"
#include "protocol/profile.hpp"

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <variant>

namespace tonel::protocol {

/// Send this segment now.
/// Owns: nothing; payload (a hello, or empty) views the stream's own storage, valid until its next
///       event
struct send_segment {
  segment_header header;
  byte_view payload;
};
/// Deliver these octets of the present segment to the application, cut at its datagram_size.
/// Shape: [offset, offset + length) of the segment's payload; length 0 is a zero-length datagram
struct deliver {
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
};
/// Copy the present segment and keep it until replay_held.
/// Shape: a stream has at most 64 segments or 64 KiB held
struct hold_segment {};
/// Give the held segments to on_segment again, in their order, and forget them.
struct replay_held {};
/// Datagrams may be sent from now on.
struct opened {};
/// The peer's hello was received; given once. A legacy client gives it right after `opened`, with
/// an empty hello.
struct greeted {
  hello_repr hello;
};
/// The first probe went unanswered, or several probes while the stream's fellows are answered. The
/// session stops using the stream, and a client opens another on a new port.
struct went_silent {
  /// The path works, but nothing acknowledges the download that the stream carries, so trackers
  /// will drop the connection. Replace the stream only if that keeps the port at the upstream.
  bool only_worn = false;
};
/// A segment arrived after went_silent.
struct recovered {};
/// No datagram has passed for idle_timeout. Given once, until `became_active`.
struct went_idle {};
/// A datagram passed after went_idle.
struct became_active {};
/// The largest datagram that fits has changed.
struct mtu_changed {
  std::uint32_t max_datagram = 0;
};
/// The SYN or first flight was not answered in time: the session tries another port.
struct try_new_port {};
/// Client: what came first from the peer is no hello. It may go ahead of one (a handshake packet), so
/// this says something only where none follows. Said once.
struct spoke_otherwise {
  std::array<std::uint8_t, 16> octets{}; ///< the first ones
  std::uint8_t size = 0;
};
/// Client: something on the path has removed the window scale from the handshake, so at most 60,000
/// octets may be under way.
struct window_unscaled {};
/// Count dropped datagrams.
struct count_drop {
  errc reason = errc::truncated;
  std::uint32_t datagrams = 1;
};

/// Why no more data will pass.
enum class end_reason : std::uint8_t {
  closed_by_us,   ///< FIN sent, and answered or waited for long enough
  closed_by_peer, ///< FIN received: the session's last stream closes the session
  reset,          ///< valid RST
  refused,        ///< RST in SYN-SENT
  timed_out,      ///< handshake not answered
  dead,           ///< probes unanswered
  superseded,     ///< another stream took its place, and the time to drain is over
  path_ends_tcp,  ///< a proxy on the way carries octets, not segments: no datagram could pass whole
};
/// The enumerator's name: "closed_by_us".
const char* to_string(end_reason r) noexcept;
/// No more data will pass; given once. The session decides what follows. The stream may stay to
/// answer late segments until `forgotten`.
struct ended {
  end_reason why = end_reason::reset;
};
/// The stream is not needed any more: it and its 4-tuple may be dropped.
struct forgotten {};
/// Given in place of `ended`: a legacy server answered the native SYN, and a RST was sent to it.
/// Open a stream of that dialect on another port.
struct peer_is_legacy {
  profile shown = profile::legacy;
};

/// One thing for the shell to do. An empty type comes first, as the default of a list's elements.
using effect = std::variant<forgotten, send_segment, deliver, hold_segment, replay_held, opened,
                            greeted, went_silent, recovered, went_idle, became_active, mtu_changed,
                            try_new_port, window_unscaled, count_drop, ended, peer_is_legacy,
                            spoke_otherwise, packet_undelivered>;

/// The effects of an event; the shell runs them in order.
/// Shape: fixed capacity, no allocation; adding more than `capacity` is a bug
class effects {
public:
  static constexpr std::size_t capacity = 10;

  /// Appends an effect.
  void add(effect e) noexcept {
    assert(size_ < capacity);
    if (size_ < capacity) list_[size_++] = e;
  }
  const effect* begin() const noexcept { return list_.data(); }
  const effect* end() const noexcept { return list_.data() + size_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const effect& operator[](std::size_t i) const noexcept { return assert(i < size_), list_[i]; }
  /// The first effect of this type, or null.
  template <class Effect> const Effect* find() const noexcept {
    for (const auto& e : *this)
      if (const auto* found = std::get_if<Effect>(&e)) return found;
    return nullptr;
  }

private:
  std::array<effect, capacity> list_{};
  std::size_t size_ = 0;
};

} // namespace tonel::protocol
