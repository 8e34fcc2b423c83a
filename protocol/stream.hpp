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

/// One stream of any dialect, client's or server's, as a pure state machine: events and time in, effects
/// and the next deadline out. The shell runs the effects in order, then arms its timer for
/// deadline().
/// Shape:  each dialect is a type of its own; another one is an alternative more. A stream says one of
///         `ended`, `try_new_port` and `peer_is_legacy` once, and after that `forgotten` once; it may be
///         destroyed from then on
/// Source: RFC 9293, RFC 5961; docs/wire.md, docs/legacy.md
class stream {
public:
  /// Client: SYN-SENT. The effects of open() send the SYN.
  static stream connect(const stream_config& config) noexcept {
    if (config.wire == profile::native) return stream{native::stream::connect(config)};
    return stream{legacy::stream::connect(config)};
  }
  /// Server: open at once, from a hello whose ack proved that its sender saw our SYN-ACK, and which its
  /// session_proof has admitted. The segment that carried the hello is then given to on_segment like
  /// any other, which answers it.
  static stream accept(const stream_config& config, const hello_repr& hello, seq_num client_iss,
                       time_point now) noexcept {
    return stream{native::stream::accept(config, hello, client_iss, now)};
  }
  /// Server: from an accept_legacy, with config.iss and config.wire as it says. The segment that
  /// proved it is then given to on_segment, too.
  static stream accept_legacy(const stream_config& config, seq_num client_iss,
                              time_point now) noexcept {
    return stream{legacy::stream::accept(config, client_iss, now)};
  }

  /// Client: sends the SYN. Call once, first.
  effects open(time_point now) noexcept {
    return std::visit([&](auto& s) { return s.open(now); }, dialect_);
  }
  /// payload is the segment's; it is read for control only.
  effects on_segment(const segment_repr& in, byte_view payload, time_point now) noexcept {
    return std::visit([&](auto& s) { return s.on_segment(in, payload, now); }, dialect_);
  }
  /// Call when deadline() has come; earlier does no harm.
  effects on_timer(time_point now) noexcept {
    return std::visit([&](auto& s) { return s.on_timer(now); }, dialect_);
  }
  /// ICMP about a segment of ours; believed only where it quotes what was sent a moment ago.
  effects on_too_big(const packet_too_big& icmp, time_point now) noexcept {
    return std::visit([&](auto& s) { return s.on_too_big(icmp, now); }, dialect_);
  }
  /// After suspend: probe at once (client); a server forgives the silence. Call before on_timer.
  effects on_resume(time_point now) noexcept {
    return std::visit([&](auto& s) { return s.on_resume(now); }, dialect_);
  }
  /// FIN; repeated, then forgotten. at_exit: once more after 500 ms, 1.5 s in all.
  effects close(time_point now, bool at_exit) noexcept {
    return std::visit([&](auto& s) { return s.close(now, at_exit); }, dialect_);
  }
  /// RST with state; the tuple is kept 10 s.
  effects reset(time_point now) noexcept {
    return std::visit([&](auto& s) { return s.reset(now); }, dialect_);
  }
  /// Another stream took this one's place: send nothing more, read on for 3 s, then RST.
  effects supersede(time_point now) noexcept {
    return std::visit([&](auto& s) { return s.supersede(now); }, dialect_);
  }

  /// How many of `datagrams` datagrams of `size` octets may be sent now: all, or fewer at the bound
  /// on unacknowledged octets. The rest is the caller's to count as withheld().
  std::uint32_t admit(std::uint32_t size, std::uint32_t datagrams, time_point now) noexcept {
    return std::visit([&](auto& s) { return s.admit(size, datagrams, now); }, dialect_);
  }
  /// The header for a run that was admitted; advances SND.NXT and the IP ID.
  /// last_of_batch: sets PSH (always set where length is 0: that is a zero-length datagram), where
  ///                the dialect has it
  segment_header data_header(std::uint32_t length, std::uint32_t datagrams, bool last_of_batch,
                             time_point now) noexcept {
    return std::visit([&](auto& s) { return s.data_header(length, datagrams, last_of_batch, now); },
                      dialect_);
  }

  /// Nothing: no timer needed. May have moved after any call above.
  std::optional<time_point> deadline() const noexcept {
    const auto at = std::visit([](const auto& s) { return s.deadline(); }, dialect_);
    if (at == time_point::max()) return std::nullopt;
    return at;
  }
  /// What an open stream waits for, for people: "ack in 0.4 s, keepalive in 3.2 s".
  std::string waits_for(time_point now) const {
    return std::visit([&](const auto& s) { return to_string(s.timers(), now); }, dialect_);
  }
  /// Datagrams may be sent.
  bool is_open() const noexcept {
    return std::visit([](const auto& s) { return s.is_open(); }, dialect_);
  }
  const four_tuple& tuple() const noexcept {
    return std::visit([](const auto& s) -> const four_tuple& { return s.tuple(); }, dialect_);
  }
  /// Why admit() took less than all.
  errc withheld() const noexcept {
    return std::visit([](const auto& s) { return s.withheld(); }, dialect_);
  }
  /// What the peer is known to speak; a stream of an older dialect may learn more as it goes.
  profile wire() const noexcept {
    return std::visit([](const auto& s) { return s.wire(); }, dialect_);
  }
  /// PSH may be set on the last segment of a batch.
  bool has_push() const noexcept {
    return std::visit([](const auto& s) { return s.has_push(); }, dialect_);
  }
  /// What further streams of a client's session give as join_token; 0: the server has no groups, or
  /// this stream is none's first.
  std::uint16_t group_token() const noexcept {
    return std::visit([](const auto& s) { return s.group_token(); }, dialect_);
  }
  /// The largest datagram that fits into a segment of the session's MTU.
  std::uint32_t max_datagram() const noexcept {
    return std::visit([](const auto& s) { return s.max_datagram(); }, dialect_);
  }
  /// When a datagram last passed, either way.
  time_point last_datagram() const noexcept {
    return std::visit([](const auto& s) { return s.last_datagram(); }, dialect_);
  }
  /// The number of the next octet to send, and of the next one expected.
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
