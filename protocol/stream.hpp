#pragma once

#include "protocol/effects.hpp"
#include "protocol/errc.hpp"
#include "protocol/legacy/stream.hpp"
#include "protocol/native/stream.hpp"
#include "protocol/packet.hpp"
#include "protocol/profile.hpp"
#include "protocol/stream_config.hpp"
#include "protocol/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace tonel::protocol {

/// One stream of any dialect, at a client or a server, as a pure state machine: events and time go
/// in, effects and the next deadline come out. The shell runs the effects in order, then arms its
/// timer for deadline().
/// Shape:  each dialect is a type of its own, an alternative of `dialect`. A stream gives one of
///         `ended`, `try_new_port` and `peer_is_legacy` once, and later `forgotten` once; it may be
///         destroyed from then on
/// Source: RFC 9293, RFC 5961; docs/wire.md, docs/legacy.md
class stream {
public:
  /// Client: makes a stream in SYN-SENT; open() gives its SYN.
  static stream connect(const stream_config& config) noexcept {
    if (config.wire == profile::native) return stream{native::stream::connect(config)};
    return stream{legacy::stream::connect(config)};
  }
  /// Server: makes an open stream, from a hello whose ack proves that its sender saw our SYN-ACK,
  /// and which its session_proof has admitted. Give the hello's segment to on_segment next, which
  /// answers it.
  static stream accept(const stream_config& config, const hello_repr& hello, seq_num client_iss,
                       time_point now) noexcept {
    return stream{native::stream::accept(config, hello, client_iss, now)};
  }
  /// Server: makes a stream from an accept_legacy, with config.iss and config.wire from there. Give
  /// the segment that proved it to on_segment next.
  static stream accept_legacy(const stream_config& config, seq_num client_iss,
                              time_point now) noexcept {
    return stream{legacy::stream::accept(config, client_iss, now)};
  }

  /// Client: sends the SYN. Call it once, before all else.
  effects open(time_point now) noexcept {
    return std::visit([&](auto& s) { return s.open(now); }, dialect_);
  }
  /// A segment of the peer. payload: the segment's, only read for control
  effects on_segment(const segment_repr& in, byte_view payload, time_point now) noexcept {
    return std::visit([&](auto& s) { return s.on_segment(in, payload, now); }, dialect_);
  }
  /// Call it when deadline() has come; an earlier call does no harm.
  effects on_timer(time_point now) noexcept {
    return std::visit([&](auto& s) { return s.on_timer(now); }, dialect_);
  }
  /// ICMP about a segment of ours; believed only if it quotes numbers that are under way.
  effects on_too_big(const packet_too_big& icmp, time_point now) noexcept {
    return std::visit([&](auto& s) { return s.on_too_big(icmp, now); }, dialect_);
  }
  /// ICMP about a segment of ours: an effect, if it quotes the SYN's number or what is under way. Nothing
  /// ends by it, since anyone may have sent it; it helps to tell why there is no answer.
  effects on_undelivered(const packet_undelivered& icmp) noexcept {
    return std::visit([&](auto& s) { return s.on_undelivered(icmp); }, dialect_);
  }
  /// Call it after suspend, before on_timer. A client probes at once; a server forgives the
  /// silence.
  effects on_resume(time_point now) noexcept {
    return std::visit([&](auto& s) { return s.on_resume(now); }, dialect_);
  }
  /// Closes by FIN, repeated until answered for 8 s. at_exit: one repeat after 500 ms, 1.5 s in all
  effects close(time_point now, bool at_exit) noexcept {
    return std::visit([&](auto& s) { return s.close(now, at_exit); }, dialect_);
  }
  /// Ends by RST; late segments are answered for 10 s.
  effects reset(time_point now) noexcept {
    return std::visit([&](auto& s) { return s.reset(now); }, dialect_);
  }
  /// Another stream has taken its place: sends nothing more, reads on for 3 s, then sends a RST.
  effects supersede(time_point now) noexcept {
    return std::visit([&](auto& s) { return s.supersede(now); }, dialect_);
  }

  /// How many of `datagrams` datagrams of `size` octets may be sent now: all, or fewer at the limit
  /// of unacknowledged octets. Drop the rest, and count it as withheld().
  std::uint32_t admit(std::uint32_t size, std::uint32_t datagrams, time_point now) noexcept {
    return std::visit([&](auto& s) { return s.admit(size, datagrams, now); }, dialect_);
  }
  /// The header for an admitted run; advances SND.NXT and the IP ID.
  /// last_of_batch: sets PSH, if the dialect has it. A zero-length datagram always has PSH
  segment_header data_header(std::uint32_t length, std::uint32_t datagrams, bool last_of_batch,
                             time_point now) noexcept {
    return std::visit([&](auto& s) { return s.data_header(length, datagrams, last_of_batch, now); },
                      dialect_);
  }

  /// The next time to call on_timer(); none: no timer. Any call above may change it.
  std::optional<time_point> deadline() const noexcept {
    const auto at = std::visit([](const auto& s) { return s.deadline(); }, dialect_);
    if (at == time_point::max()) return std::nullopt;
    return at;
  }
  /// The timers of an open stream, as text: "ack in 0.4 s, keepalive in 3.2 s".
  std::string waits_for(time_point now) const {
    return std::visit([&](const auto& s) { return to_string(s.timers(), now); }, dialect_);
  }
  /// Whether datagrams may be sent.
  bool is_open() const noexcept {
    return std::visit([](const auto& s) { return s.is_open(); }, dialect_);
  }
  const four_tuple& tuple() const noexcept {
    return std::visit([](const auto& s) -> const four_tuple& { return s.tuple(); }, dialect_);
  }
  /// Why admit() allowed fewer than asked.
  errc withheld() const noexcept {
    return std::visit([](const auto& s) { return s.withheld(); }, dialect_);
  }
  /// The dialect of the peer, as far as known; a legacy stream may learn it later.
  profile wire() const noexcept {
    return std::visit([](const auto& s) { return s.wire(); }, dialect_);
  }
  /// Whether the dialect sets PSH on the last segment of a batch.
  bool has_push() const noexcept {
    return std::visit([](const auto& s) { return s.has_push(); }, dialect_);
  }
  /// The join_token for further streams of a client's session; 0: the server has no groups, or this
  /// stream has not opened one.
  std::uint16_t group_token() const noexcept {
    return std::visit([](const auto& s) { return s.group_token(); }, dialect_);
  }
  /// The largest datagram that fits into a segment of the session's MTU, octets.
  std::uint32_t max_datagram() const noexcept {
    return std::visit([](const auto& s) { return s.max_datagram(); }, dialect_);
  }
  /// The time of the last datagram, either way.
  time_point last_datagram() const noexcept {
    return std::visit([](const auto& s) { return s.last_datagram(); }, dialect_);
  }
  /// SND.NXT and RCV.NXT: the sequence number of the next octet to send, and of the next one
  /// expected.
  seq_num snd_nxt() const noexcept {
    return std::visit([](const auto& s) { return s.snd_nxt(); }, dialect_);
  }
  seq_num rcv_nxt() const noexcept {
    return std::visit([](const auto& s) { return s.rcv_nxt(); }, dialect_);
  }

private:
  using dialect = std::variant<native::stream, legacy::stream>;

  explicit stream(dialect&& s) noexcept : dialect_(std::move(s)) {}

  dialect dialect_;
};

} // namespace tonel::protocol
