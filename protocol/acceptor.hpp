#pragma once

#include "protocol/hello.hpp"
#include "protocol/ip_net.hpp"
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
/// Shape:  the key is derived from `secret` and the 15-minute epoch of `now`; the numbers of the
///         present and the previous epoch are accepted
/// Thread: one at a time, even for const calls, which cache the keys
/// Source: RFC 4987 §3.6, docs/wire.md
class syn_cookie {
public:
  explicit syn_cookie(const std::array<std::uint8_t, 16>& secret) noexcept : secret_(secret) {}
  /// The initial sequence number to answer a SYN of this tuple with.
  [[nodiscard]] seq_num isn(const four_tuple& tuple, time_point now) const noexcept;
  /// The initial sequence number, if `ack` - 1 proves that its sender has seen ours; else none.
  [[nodiscard]] std::optional<seq_num> proven(const four_tuple& tuple, seq_num ack,
                                              time_point now) const noexcept;
  /// The sequence number, 1..65,535, of the SYN-ACK to a legacy SYN. The client returns it as its
  /// group's token, which has 16 bits only.
  [[nodiscard]] std::uint16_t token(const four_tuple& tuple, seq_num syn,
                                    time_point now) const noexcept;
  /// Whether `ack` - 1 is the token that a SYN with this sequence number was answered with.
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
  /// Cache of keys, indexed by the epoch's last bit: deriving a key costs twice as much as a
  /// cookie, and every segment of a flood needs one.
  mutable std::array<epoch_key, 2> keys_;
};

/// A segment that is kept, with its payload, until its stream exists.
struct held_segment {
  segment_repr segment;
  std::vector<std::uint8_t> payload;
};

/// Send nothing; count the reason, if there is one.
struct ignore_stray {
  std::optional<errc> reason;
};
/// Send this header without payload; count the reason, if there is one.
struct reply_stray {
  segment_header header;
  std::optional<errc> reason;
  bool older_client = false; ///< refused: a legacy client at a port that does not serve it
};
/// A hello whose sender has seen our SYN-ACK. If session_proof admits it (or it introduces an
/// unknown session, which makes one), make a stream by stream::accept and give it the hello's
/// segment, then `held` in order; else send a RST.
struct accept_stream {
  hello_repr hello;
  seq_num iss;
  seq_num client_iss;
  std::vector<held_segment> held;
};
/// A proven legacy handshake: make a stream by stream::accept_legacy, and give it this segment. It
/// belongs to the session of the group `join`, or to a new session whose group has the token `iss`;
/// `place` holds its group. Open the upstream's socket when the first datagram comes.
struct accept_legacy {
  seq_num iss;
  seq_num client_iss;
  std::uint16_t join = 0;          ///< 0: the first connection of a group
  profile shown = profile::legacy; ///< dialect, as far as the handshake shows it
  group_place place = {};
};
/// A proven handshake whose session finds no place: send this RST, and count it.
struct refuse_session {
  segment_header header;
};
/// A hello that a proxy on the way has cut or merged, as it would datagrams: send the first header
/// with the hello, from which the client learns of the proxy, then the last header, a FIN. Count
/// path_ends_tcp; keep nothing.
struct refuse_path {
  segment_header first;
  std::array<std::uint8_t, hello_size> hello{};
  segment_header last;
};
/// What the shell has to do about a segment of no stream.
using stray_answer = std::variant<ignore_stray, reply_stray, accept_stream, accept_legacy,
                                  refuse_path, refuse_session>;

/// The dialects that a port accepts, and from whom.
struct served_port {
  bool native = true;
  bool legacy = false;
  group_lookup* groups = nullptr; ///< set if legacy is served; outlives the acceptor
  /// Sources that are served; none: all. Others get no answer of any kind.
  ip_net_set allow = {};
  bool serves(const ip_address& source) const noexcept {
    return allow.empty() || allow.holds(source);
  }
};
/// Indexed by port, host byte order.
using served_ports = std::unordered_map<std::uint16_t, served_port>;

/// The settings of an acceptor, random values included.
struct acceptor_config {
  std::array<std::uint8_t, 16> secret{}; ///< the process', since any queue may get any segment
  std::uint16_t mtu = 1500;              ///< of the TUN, octets
  served_ports ports;                    ///< empty: a client, which accepts nothing
  /// How long a SYN that joins an unknown group is kept: the SYN that opens the group may come
  /// late, or in another queue. A client whose join is refused gives up the whole group.
  duration join_patience{};
  std::size_t queue = 0; ///< number for group_lookup::place
};

/// The answer to a kept SYN, which has no payload.
struct late_answer {
  segment_repr to;
  stray_answer what;
};

/// Answers segments that belong to no stream: SYNs by a cookie, hellos by a new stream, health
/// checks as a real TCP would, the rest by RST. Holds proven data that overtakes its hello, and
/// joins that overtake their group.
/// Shape:  holds 64 segments or 64 KiB for each tuple, 4 MiB in all, for 3 s; and 64 joins. Sends
///         about 1,000 RSTs a second. Other SYNs cost no memory
/// Source: docs/wire.md, "Handshake"; RFC 9293 §3.10.7.1
class acceptor {
public:
  explicit acceptor(const acceptor_config& config);
  /// Serves these ports and no others from now on; has no effect on existing streams.
  void serve(served_ports ports);
  /// payload: the segment's; copied if it is held
  stray_answer on_stray(const segment_repr& in, byte_view payload, time_point now);
  /// Gives RSTs for tuples whose hello never came. Call it at deadline().
  std::vector<segment_header> on_timer(time_point now);
  /// Gives the answers to kept joins. Call it at deadline(), if join_patience is not 0.
  std::vector<late_answer> answer_joins(time_point now);
  /// The next time for both calls above; none: no timer. Any call above may change it.
  std::optional<time_point> deadline() const noexcept;
  /// Holds a copy of a proven segment whose stream is about to exist; before accept_stream,
  /// on_stray does so itself. False: a limit is reached, and nothing was held.
  [[nodiscard]] bool hold(const segment_repr& in, byte_view payload, time_point now);
  /// Gives up the segments held for this tuple, in order: its stream exists, or never will.
  std::vector<held_segment> release(const four_tuple& tuple) noexcept;
  /// Octets held, with bookkeeping.
  std::size_t held_bytes() const noexcept { return held_bytes_; }

private:
  /// Early data of one tuple.
  struct early {
    std::vector<held_segment> segments;
    std::uint32_t payload_bytes = 0;
    time_point until{};
  };
  /// A recent legacy SYN, indexed by the tuple's hash: phantun repeats its SYN, tonel does not. A
  /// later SYN overwrites another with the same index.
  struct recent_syn {
    std::size_t tuple = 0;
    time_point at = time_point::min();
    bool repeated = false;
  };
  /// What a segment of no stream proves, if it comes from a legacy client.
  struct legacy_claim {
    /// Its place is one where a handshake may end: unless it proves one, it was a guess.
    bool possible = false;
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
  /// Ordered by time; an entry whose tuple was released meanwhile is skipped.
  std::deque<std::pair<time_point, four_tuple>> expiries_;
  std::size_t held_bytes_ = 0;
  std::vector<recent_syn> recent_;
  /// A SYN that joins a group not known yet.
  struct early_join {
    segment_repr syn;
    time_point until{};
  };
  std::vector<early_join> joins_;
  time_point joins_at_{}; ///< when the joins are looked at again
};

} // namespace tonel::protocol
