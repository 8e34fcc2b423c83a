#pragma once

#include "protocol/hello.hpp"
#include "protocol/legacy_groups.hpp"
#include "protocol/packet.hpp"
#include "protocol/profile.hpp"
#include "protocol/rate_limit.hpp"
#include "protocol/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace tonel::protocol {

/// The server's initial sequence numbers: a keyed hash of the 4-tuple, without state.
/// Shape:  the key is derived from `secret` and the 15-minute epoch of `now`; current and previous
///         are accepted
/// Thread: one at a time, const or not: it remembers the keys that it used last
/// Source: RFC 4987 §3.6, docs/wire.md
class syn_cookie {
public:
  explicit syn_cookie(const std::array<std::uint8_t, 16>& secret) noexcept : secret_(secret) {}
  [[nodiscard]] seq_num isn(const four_tuple& tuple, time_point now) const noexcept;
  /// The ISN that `ack` - 1 proves its sender has seen, if it is ours.
  [[nodiscard]] std::optional<seq_num> proven(const four_tuple& tuple, seq_num ack,
                                              time_point now) const noexcept;
  /// The sequence number, 1..65,535, of the SYN-ACK that a legacy SYN gets: the peer returns it as
  /// its group's token, so there is no room for more bits.
  [[nodiscard]] std::uint16_t token(const four_tuple& tuple, seq_num syn,
                                    time_point now) const noexcept;
  /// `ack` - 1 is the token that a SYN with this sequence number got.
  [[nodiscard]] bool proves_token(const four_tuple& tuple, seq_num syn, seq_num ack,
                                  time_point now) const noexcept;

private:
  using key = std::array<std::uint8_t, 16>;
  struct epoch_key {
    std::uint64_t epoch = std::numeric_limits<std::uint64_t>::max();
    key value{};
  };

  const key& key_of(std::uint64_t epoch) const noexcept;
  seq_num cookie(const four_tuple& tuple, std::uint64_t epoch) const noexcept;
  std::uint16_t token_of(const four_tuple& tuple, seq_num syn, std::uint64_t epoch) const noexcept;

  key secret_;
  /// By the epoch's last bit. To derive one costs twice what a cookie does, which a flood asks for
  /// with every segment.
  mutable std::array<epoch_key, 2> keys_;
};

/// A segment kept with its payload until its stream exists.
struct held_segment {
  segment_repr segment;
  std::vector<std::uint8_t> payload;
};

/// Nothing to do; reason, where there is one, is to be counted.
struct ignore_stray {
  std::optional<errc> reason;
};
/// Send this header, without payload; reason, where there is one, is to be counted, too.
struct reply_stray {
  segment_header header;
  std::optional<errc> reason;
  bool older_client = false; ///< refused, as it speaks a dialect that its port does not serve
};
/// A hello whose sender has seen our SYN-ACK. Where session_proof admits it (one that introduces an
/// unknown session makes that) make a stream (stream::accept), give it the hello's segment, then `held`
/// in order; else send a RST.
struct accept_stream {
  hello_repr hello;
  seq_num iss;
  seq_num client_iss;
  std::vector<held_segment> held;
};
/// A proven handshake of an older dialect: make a stream (stream::accept_legacy), give it this
/// segment. Its session is that of the group `join`, or a new one whose group `iss` names, as `place`
/// has it; the upstream's socket is opened when the first datagram comes.
struct accept_legacy {
  seq_num iss;
  seq_num client_iss;
  std::uint16_t join = 0;          ///< 0: the first connection of a group
  profile shown = profile::legacy; ///< as far as the handshake tells
  group_place place = {};
};
/// A proven handshake for whose session there is no place: send this RST, and count it.
struct refuse_session {
  segment_header header;
};
/// A hello that something on the way has put together anew, which would befall datagrams, too: send the
/// first header with the hello, from which its client learns it, then the last, a FIN. To be counted
/// as path_ends_tcp; nothing is kept.
struct refuse_path {
  segment_header first;
  std::array<std::uint8_t, hello_size> hello{};
  segment_header last;
};
/// What to do about a segment that belongs to no stream.
using stray_answer = std::variant<ignore_stray, reply_stray, accept_stream, accept_legacy,
                                  refuse_path, refuse_session>;

/// Which profiles a port accepts.
struct served_port {
  bool native = true;
  bool legacy = false;
  group_lookup* groups = nullptr; ///< where legacy is served; it outlives the acceptor
};
/// By port, host byte order.
using served_ports = std::unordered_map<std::uint16_t, served_port>;

/// What an acceptor is started with; randomness is among it.
struct acceptor_config {
  std::array<std::uint8_t, 16> secret{}; ///< one per process: any queue may see any segment
  std::uint16_t mtu = 1500;              ///< of the TUN
  served_ports ports;                    ///< none: a client, which accepts nothing
  /// How long a SYN that joins an unknown group is kept: what opens the group may come in another of
  /// several queues, or late. One that is refused makes its client give up the whole group.
  duration join_patience{};
  std::size_t queue = 0; ///< for group_lookup::place
};

/// The answer to a segment that was kept; it has no payload.
struct late_answer {
  segment_repr to;
  stray_answer what;
};

/// Answers segments that belong to no stream: SYNs by a cookie, hellos by a new stream, health
/// checks as a real TCP would, the rest by RST. Holds proven data that overtakes its hello, and joins
/// that overtake their group.
/// Shape:  held are, per tuple, 64 segments or 64 KiB, 4 MiB in all, for 3 s; 64 joins; about 1,000 RSTs a
///         second; other SYNs cost no memory
/// Source: docs/wire.md, "Handshake"; RFC 9293 §3.10.7.1
class acceptor {
public:
  explicit acceptor(const acceptor_config& config);
  /// Serves these ports from now on, and no others; streams that exist are not its business.
  void serve(served_ports ports);
  /// payload is the segment's; it is copied where it is held.
  stray_answer on_stray(const segment_repr& in, byte_view payload, time_point now);
  /// RSTs for tuples whose hello never came. Call at deadline().
  std::vector<segment_header> on_timer(time_point now);
  /// Likewise: what joins that were kept get now. None are kept without a join_patience.
  std::vector<late_answer> answer_joins(time_point now);
  /// Nothing: no timer needed. May have moved after any call above.
  std::optional<time_point> deadline() const noexcept;
  /// Keeps a copy of a proven segment whose stream is about to be; on_stray does so by itself where it
  /// made nothing of the tuple yet. False: a bound is reached, nothing was kept.
  [[nodiscard]] bool hold(const segment_repr& in, byte_view payload, time_point now);
  /// What is held for this tuple, in order: its stream exists, or never will.
  std::vector<held_segment> release(const four_tuple& tuple) noexcept;
  /// Octets held, bookkeeping included.
  std::size_t held_bytes() const noexcept { return held_bytes_; }

private:
  /// Early data of one tuple.
  struct early {
    std::vector<held_segment> segments;
    std::uint32_t payload_bytes = 0;
    time_point until{};
  };
  /// SYNs of older clients, by the tuple's hash: a repeated one is phantun's. One that falls on
  /// another's place takes it.
  struct recent_syn {
    std::size_t tuple = 0;
    time_point at = time_point::min();
    bool repeated = false;
  };
  /// What a segment of an older client is worth that belongs to no stream.
  struct legacy_claim {
    bool possible =
        false; ///< it stands where a handshake may end: if it proves none, it was a guess
    guess_kind kind = guess_kind::opening;
    std::optional<accept_legacy> made;
  };
  using early_map = std::unordered_map<four_tuple, early, address_hash>;

  const served_port* port_of(const segment_repr& in) const noexcept;
  reply_stray syn_ack(const segment_repr& in, time_point now) const noexcept;
  stray_answer on_legacy_syn(const segment_repr& in, const served_port& port, time_point now);
  stray_answer let_in(const segment_repr& in, const served_port& port, accept_legacy made,
                      time_point now);
  bool lacks_group(const segment_repr& syn) const;
  bool hold_join(const segment_repr& syn, time_point now);
  legacy_claim legacy_claim_of(const segment_repr& in, const served_port& port,
                               time_point now) const;
  const recent_syn* recent_syn_of(const four_tuple& tuple) const noexcept;
  stray_answer refuse_guess(const segment_repr& in, const served_port& port, guess_kind kind,
                            std::uint32_t guess, time_point now) noexcept;
  stray_answer refuse(const segment_repr& in, std::optional<errc> reason, time_point now) noexcept;
  stray_answer on_proxied(const segment_repr& in, const hello_repr& hello, seq_num client_iss,
                          seq_num iss, time_point now) noexcept;
  stray_answer on_proven(const segment_repr& in, byte_view payload, seq_num iss, time_point now);

  acceptor_config config_;
  syn_cookie cookie_;
  random_rate_limit resets_;
  early_map early_;
  /// In the order of their times; an entry whose tuple was released since is skipped.
  std::deque<std::pair<time_point, four_tuple>> expiries_;
  std::size_t held_bytes_ = 0;
  std::vector<recent_syn> recent_;
  /// A SYN that joins a group which is not known yet.
  struct early_join {
    segment_repr syn;
    time_point until{};
  };
  std::vector<early_join> joins_;
  time_point joins_at_{}; ///< when they are looked at again
};

} // namespace tonel::protocol
