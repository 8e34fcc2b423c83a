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

/// Send this segment now. payload (a hello, or nothing) views the stream's own storage and is good
/// until its next event.
struct send_segment {
  segment_header header;
  byte_view payload;
};
/// Hand these octets of the segment at hand to the application, cut at its datagram_size.
/// Shape: [offset, offset + length) of the segment's payload; length 0 is a zero-length datagram
struct deliver {
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
};
/// Copy the segment at hand and keep it until replay_held.
/// Shape: at most 64 segments or 64 KiB a stream are asked to be held
struct hold_segment {};
/// Give the held segments to on_segment again, in the order that they came, and forget them.
struct replay_held {};
/// Datagrams may be sent from now on.
struct opened {};
/// The peer's hello was read (the client learns the server's; once). A client of an older dialect
/// says it with `opened`, and the hello is empty.
struct greeted {
  hello_repr hello;
};
/// The first probe went unanswered, or several while the fellows of the stream are answered: the session
/// leaves it out, and a client's opens another on a new port.
struct went_silent {
  /// Nothing is wrong, but the connection carries a download that is acknowledged by nothing, and
  /// trackers will close it: to be replaced where that keeps the upstream's port, and only there.
  bool only_worn = false;
};
/// Something arrived after went_silent.
struct recovered {};
/// No datagram has passed for idle_timeout; said once, and `became_active` once when one does again.
struct went_idle {};
/// A datagram passed after went_idle.
struct became_active {};
/// The largest datagram that fits has changed.
struct mtu_changed {
  std::uint32_t max_datagram = 0;
};
/// The SYN (or first flight) of this port had no answer in time: the session tries another port.
struct try_new_port {};
/// Client: something on the path took the window scale out of the handshake, so that no more than
/// 60,000 octets may be under way at a time.
struct window_unscaled {};
/// Count a drop.
struct count_drop {
  errc reason = errc::truncated;
  std::uint32_t datagrams = 1;
};

/// Why no more data will pass.
enum class end_reason : std::uint8_t {
  closed_by_us,   ///< FIN sent and answered, or waited for long enough
  closed_by_peer, ///< FIN received: the session's last stream closes the session
  reset,          ///< valid RST
  refused,        ///< RST in SYN-SENT
  timed_out,      ///< handshake given up
  dead,           ///< probes unanswered
  superseded,     ///< another stream took its place and the time to drain is over
  path_ends_tcp,  ///< a proxy on the way carries octets, not segments: no datagram could pass whole
};
/// The enumerator's name: "closed_by_us".
const char* to_string(end_reason r) noexcept;
/// The peer is gone or leaves (said once): no more data will pass; the session decides what follows.
/// The stream may stay to answer late segments; `forgotten` comes when the tuple may be dropped.
struct ended {
  end_reason why = end_reason::reset;
};
/// Nothing of this stream is of use any more: the stream and its 4-tuple may be dropped.
struct forgotten {};
/// The answer to a native SYN came from a server of an older dialect: another stream on another port
/// is to speak it. Said in place of `ended`; a RST has freed the server's end.
struct peer_is_legacy {
  profile shown = profile::legacy;
};

/// One thing that the shell has to do. An empty kind comes first: a list begins as ten of these.
using effect = std::variant<forgotten, send_segment, deliver, hold_segment, replay_held, opened,
                            greeted, went_silent, recovered, went_idle, became_active, mtu_changed,
                            try_new_port, window_unscaled, count_drop, ended, peer_is_legacy>;

/// What the shell has to do, in order.
/// Shape: fixed capacity, no allocation; more than `capacity` is a bug
class effects {
public:
  static constexpr std::size_t capacity = 10;

  void add(effect e) noexcept {
    assert(size_ < capacity);
    if (size_ < capacity) list_[size_++] = e;
  }
  const effect* begin() const noexcept { return list_.data(); }
  const effect* end() const noexcept { return list_.data() + size_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const effect& operator[](std::size_t i) const noexcept { return assert(i < size_), list_[i]; }
  /// The first effect of that kind, or nullptr.
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
