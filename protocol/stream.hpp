#pragma once

#include "protocol/answer_limit.hpp"
#include "protocol/effects.hpp"
#include "protocol/hello.hpp"
#include "protocol/packet.hpp"
#include "protocol/plausible.hpp"
#include "protocol/profile.hpp"
#include "protocol/rate_limit.hpp"
#include "protocol/seq.hpp"
#include "protocol/session_proof.hpp"
#include "protocol/time.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace tonel::protocol {

class syn_cookie;

/// What the streams of one session know of each other: that of one alone nothing comes back is found
/// out far sooner than that of all.
/// Thread: that of its streams, which share it
struct fellows {
  time_point answered =
      time_point::min(); ///< when one of them last learnt that what it sends arrives
  duration trip{};       ///< the longest round trip of late

  void measured(duration sample) noexcept { trip = sample > trip ? sample : trip - trip / 8; }
};

/// What a stream is started with; randomness is among it.
struct stream_config {
  four_tuple tuple;
  seq_num iss;              ///< client: client_isn(); server: the SYN cookie
  std::uint16_t ip_id = 0;  ///< where the IPv4 ID starts
  std::uint16_t mtu = 1500; ///< of the TUN
  /// Client: what session_claims say. Server: the secret alone, the rest is the hello's.
  session_claim session;
  std::uint8_t stream_index = 0;
  std::uint8_t stream_count = 1;
  duration keepalive = std::chrono::seconds{20};     ///< client: K, 0 is off; the server learns it
  duration idle_timeout = std::chrono::seconds{180}; ///< 0: never idle
  /// Client: no other port is tried after this one, so that a handshake without answer ends in
  /// ended{timed_out} and not in try_new_port.
  bool last_port = false;
  /// Client of an older dialect: the first port, which is left sooner than others. There is one SYN
  /// a port, and datagrams wait.
  bool first_port = false;
  /// Goes out ahead of the hello in a segment of its own; none by default.
  std::shared_ptr<const std::vector<std::uint8_t>> handshake_packet;
  /// The shard's budget for challenge ACKs; it outlives the stream. Without one a stream has one per
  /// 5 s, with it one per 500 ms.
  random_rate_limit* challenge_limit = nullptr;
  /// Random and secret: what the stream asks its peer to repeat is drawn from it.
  std::uint64_t seed = 0;

  /// Native, one of several of its session: what these share. None: it is the only one.
  std::shared_ptr<protocol::fellows> fellows;

  /// Client: the dialect to speak; legacy: tonel's SYN, and the SYN-ACK tells which of the two.
  /// Server: what the acceptor said.
  profile wire = profile::native;
  /// Client of a tonel server: the group to join, the group_token() of its first stream; 0: none. The
  /// older dialects' initial sequence numbers are these, and iss is not looked at.
  std::uint16_t join_token = 0;
  /// Native client: a SYN-ACK of an older dialect is told by peer_is_legacy instead of taken.
  bool detect_legacy = false;
  /// Server: answers the SYN of a peer that starts anew from the same port; without one a native
  /// peer's has to be repeated. It outlives the stream.
  const syn_cookie* cookie = nullptr;
  /// Server, older dialects: what the session may be told before its client has shown that it is there;
  /// none: all.
  std::shared_ptr<answer_limit> answers;
};

/// One stream of any profile, client's or server's, as a pure state machine: events and time in, effects
/// and the next deadline out. The shell runs the effects in order, then arms its timer for
/// deadline().
/// Shape:  a stream says one of `ended`, `try_new_port` and `peer_is_legacy` once, and after that
///         `forgotten` once; it may be destroyed from then on
/// Source: RFC 9293, RFC 5961; docs/wire.md, docs/legacy.md
class stream {
public:
  /// Client: SYN-SENT. The effects of open() send the SYN.
  static stream connect(const stream_config& config) noexcept;
  /// Server: open at once, from a hello whose ack proved that its sender saw our SYN-ACK, and which its
  /// session_proof has admitted. The segment that carried the hello is then given to on_segment like
  /// any other, which answers it.
  static stream accept(const stream_config& config, const hello_repr& hello, seq_num client_iss,
                       time_point now) noexcept;
  /// Server: from an accept_legacy, with config.iss and config.wire as it says. The segment that
  /// proved it is then given to on_segment, too.
  static stream accept_legacy(const stream_config& config, seq_num client_iss,
                              time_point now) noexcept;

  /// Client: sends the SYN. Call once, first.
  effects open(time_point now) noexcept;
  /// payload is the segment's; it is read for control only.
  effects on_segment(const segment_repr& in, byte_view payload, time_point now) noexcept;
  /// Call when deadline() has come; earlier does no harm.
  effects on_timer(time_point now) noexcept;
  /// ICMP about a segment of ours; believed only where it quotes what was sent a moment ago.
  effects on_too_big(const packet_too_big& icmp, time_point now) noexcept;
  /// After suspend: probe at once (client); a server forgives the silence. Call before on_timer.
  effects on_resume(time_point now) noexcept;
  /// FIN; repeated, then forgotten. at_exit: once more after 500 ms, 1.5 s in all.
  effects close(time_point now, bool at_exit) noexcept;
  /// RST with state; the tuple is kept 10 s.
  effects reset(time_point now) noexcept;
  /// Another stream took this one's place: send nothing more, read on for 3 s, then RST.
  effects supersede(time_point now) noexcept;

  /// How many of `datagrams` datagrams of `size` octets may be sent now: all, or fewer at the bound
  /// on unacknowledged octets. The rest is the caller's to count as window_closed, or, before the
  /// stream is open, not_open.
  std::uint32_t admit(std::uint32_t size, std::uint32_t datagrams, time_point now) noexcept;
  /// The header for a run that was admitted; advances SND.NXT and the IP ID.
  /// last_of_batch: sets PSH (always set where length is 0: that is a zero-length datagram), where
  ///                the profile has it
  segment_header data_header(std::uint32_t length, std::uint32_t datagrams, bool last_of_batch,
                             time_point now) noexcept;

  /// Nothing: no timer needed. May have moved after any call above.
  std::optional<time_point> deadline() const noexcept;
  /// Datagrams may be sent.
  bool is_open() const noexcept {
    return state_ == state::open && superseded_at_ == never && (rules().hello || greeted_);
  }
  const four_tuple& tuple() const noexcept { return config_.tuple; }
  /// Why admit() took less than all.
  errc withheld() const noexcept {
    return !is_open() ? errc::not_open : unproven() ? errc::unacknowledged : errc::window_closed;
  }
  /// What the peer is known to speak; legacy streams may learn more as they go.
  profile wire() const noexcept { return config_.wire; }
  /// PSH may be set on the last segment of a batch.
  bool has_push() const noexcept { return rules().hello; }
  /// What further streams of a client's session give as join_token; 0: the server has no groups, or
  /// this stream is none's first.
  std::uint16_t group_token() const noexcept {
    return config_.wire == profile::tonel && config_.join_token == 0 ? token_in(irs_)
                                                                     : std::uint16_t{0};
  }
  /// The largest datagram that fits into a segment of the session's MTU.
  std::uint32_t max_datagram() const noexcept { return max_datagram_; }
  /// When a datagram last passed, either way.
  time_point last_datagram() const noexcept { return last_datagram_; }
  /// The number of the next octet to send, and of the next one expected.
  seq_num snd_nxt() const noexcept { return iss_plus_1() + static_cast<std::uint32_t>(snd_end_); }
  seq_num rcv_nxt() const noexcept { return irs_ + 1 + static_cast<std::uint32_t>(rcv_end_); }

private:
  enum class state : std::uint8_t {
    syn_sent,
    open,
    fin_sent,   ///< we closed; datagrams are still read
    last_ack,   ///< the peer closed, and our FIN answers it
    time_wait,  ///< both closed; a repeated FIN is answered
    reset_sent, ///< our RST went out; its challenge is answered
    gone,
  };
  static constexpr time_point never = time_point::max();

  stream(const stream_config& config, bool client) noexcept;

  // Handshake (stream_handshake.cpp).
  void on_syn_sent(const segment_repr& in, time_point now, effects& out) noexcept;
  void establish(const segment_repr& in, time_point now, effects& out) noexcept;
  void prepare_hello() noexcept;
  void send_flight(time_point now, effects& out) noexcept;
  bool is_ours(const hello_repr& hello) const noexcept;
  void greet(const hello_repr& hello, time_point now, effects& out) noexcept;
  void refuse_hello(errc reason, end_reason why, time_point now, effects& out) noexcept;
  void hold(const segment_repr& in, time_point now, effects& out) noexcept;
  void on_syn_timer(time_point now, effects& out) noexcept;
  bool on_flight_timer(time_point now, effects& out) noexcept;
  void give_up_port(effects& out) noexcept;

  // Segments of an open stream (stream.cpp).
  /// Whether a segment can belong to the stream's present; `ahead`: if the peer confirms it.
  enum class verdict : std::uint8_t { fits, ahead, foreign };
  verdict judge(std::int64_t at, std::int64_t length, std::int64_t ack) const noexcept;
  void on_fin_segment(std::int64_t at, std::int64_t end, std::int64_t expected, time_point now,
                      effects& out) noexcept;
  void on_open(const segment_repr& in, byte_view payload, time_point now, effects& out) noexcept;
  void on_payload(const segment_repr& in, byte_view payload, std::int64_t at, time_point now,
                  effects& out) noexcept;
  void deliver_data(const segment_repr& in, std::int64_t at, time_point now, effects& out) noexcept;
  void received(time_point now, effects& out) noexcept;
  void first_word(time_point now, effects& out) noexcept;

  // The older dialects (stream_legacy.cpp).
  void establish_legacy(const segment_repr& in, time_point now, effects& out) noexcept;
  void greet_legacy(time_point now, effects& out) noexcept;
  void on_legacy(const segment_repr& in, time_point now, effects& out) noexcept;
  void on_legacy_payload(const segment_repr& in, std::int64_t at, bool acknowledges, time_point now,
                         effects& out) noexcept;
  void on_opening_payload(const segment_repr& in, std::int64_t at, bool acknowledges,
                          time_point now, effects& out) noexcept;
  void on_legacy_empty(const segment_repr& in, std::int64_t at, std::int64_t newly_acked,
                       time_point now, effects& out) noexcept;
  void on_legacy_probe(const segment_repr& in, time_point now, effects& out) noexcept;
  void on_legacy_reset(const segment_repr& in, time_point now, effects& out) noexcept;
  void on_legacy_syn(const segment_repr& in, time_point now, effects& out) noexcept;
  bool on_confirm_timer(time_point now, effects& out) noexcept;
  bool starts_anew(const segment_repr& in, time_point now) const noexcept;
  void confirm(time_point now, effects& out) noexcept;
  void learn(profile shown) noexcept;
  void send_packet(effects& out) noexcept;
  void send_probe(std::uint32_t seq, effects& out) noexcept;
  void watch_window() noexcept;
  void send_opener(time_point now, effects& out) noexcept;
  void on_opener_timer(time_point now, effects& out) noexcept;
  bool on_window_timer(time_point now, effects& out) noexcept;
  bool on_full_window(time_point now, effects& out) noexcept;
  bool has_packet() const noexcept {
    return config_.handshake_packet && !config_.handshake_packet->empty();
  }
  /// An older client that has not shown that it sees what we send.
  bool unproven() const noexcept { return config_.answers && !config_.answers->proven(); }
  void note_sent(std::uint32_t length, std::uint32_t datagrams) noexcept;
  void judge_ack(const segment_repr& in, std::int64_t ack) noexcept;
  void on_wrong_ack(time_point now, effects& out) noexcept;
  /// Data goes when a tonel server's handshake packet has come.
  bool awaits_packet() const noexcept {
    return client_ && has_packet() && rules().asks_before_data;
  }

  // Liveness (stream_liveness.cpp).
  void on_open_timer(time_point now, effects& out) noexcept;
  bool on_probe_timer(time_point now, effects& out) noexcept;
  void send_keepalive(time_point now, effects& out) noexcept;
  void ask(time_point now, effects& out) noexcept;
  bool repeats_question(const segment_repr& in) const noexcept;
  void heard_answer(const segment_repr& in, time_point now) noexcept;
  void measured(duration round_trip) noexcept;
  duration patience() const noexcept;
  void answer(const segment_repr& in, effects& out) noexcept;
  void await_answer(time_point now) noexcept;
  void owe_ack(time_point now, effects& out) noexcept;
  bool quotes_what_is_under_way(const packet_too_big& icmp) const noexcept;
  void update_mtu(effects* out) noexcept;

  // Among its fellows (stream_fellows.cpp).
  void compare_later(time_point now) noexcept;
  void proven(time_point now) noexcept;
  void on_compare_timer(time_point now, effects& out) noexcept;

  // Closing (stream_close.cpp).
  void on_reset(const segment_repr& in, time_point now, effects& out) noexcept;
  void on_fin(time_point now, effects& out) noexcept;
  void on_closing(const segment_repr& in, time_point now, effects& out) noexcept;
  bool answer_new_syn(const segment_repr& in, time_point now, effects& out) noexcept;
  void on_fin_timer(time_point now, effects& out) noexcept;
  void challenge(const segment_repr& in, time_point now, effects& out) noexcept;
  void send_fin(effects& out) noexcept;
  void send_reset(time_point now, effects& out) noexcept;
  void start_fin(time_point now, effects& out) noexcept;
  void forget(effects& out) noexcept;

  // Segments out.
  segment_header header(seq_num seq, std::uint8_t flags) noexcept;
  void send_ack(effects& out) noexcept;

  const profile_rules& rules() const noexcept { return rules_of(config_.wire); }
  bool is_v4() const noexcept { return config_.tuple.local.address.is_v4(); }
  seq_num iss_plus_1() const noexcept { return config_.iss + 1; }
  seq_num highest_ack() const noexcept { return iss_plus_1() + static_cast<std::uint32_t>(acked_); }
  time_point idle_at() const noexcept;
  std::uint64_t send_bound(time_point now) const noexcept;

  stream_config config_;

  // Positions are octets since the SYN, in 64 bits: sequence numbers recur every 4 GiB, and what is
  // control must be told from data after that, too. A FIN takes one.
  std::uint64_t snd_end_ = 0;      ///< what was sent; SND.NXT
  std::uint64_t acked_ = 0;        ///< the highest ack received
  std::uint64_t rcv_end_ = 0;      ///< the highest end received; RCV.NXT
  std::uint64_t ack_sent_ = 0;     ///< rcv_end_ as last sent
  std::uint64_t peer_control_ = 0; ///< L of the peer's direction, once greeted
  /// Where its hello starts. Of a tonel server with a handshake packet: where that does, as far as
  /// is known.
  std::uint64_t peer_hello_ = 0;

  time_point last_datagram_{};
  time_point last_sent_ = time_point::min();   ///< legacy: the last datagram of ours
  time_point started_{};                       ///< of the SYN, then the first flight, then the FIN
  time_point attempt_at_ = never;              ///< repeat SYN, first flight or FIN
  time_point ack_at_ = never;                  ///< delayed ACK
  time_point keepalive_at_ = never;            ///< client: nothing received for K
  time_point check_at_ = never;                ///< client: 3 s after the last datagram received
  time_point probe_at_ = never;                ///< the next probe, or the verdict
  time_point dead_at_ = never;                 ///< server: 3.5 K
  time_point larger_at_ = never;               ///< forget what ICMP said
  time_point superseded_at_ = never;           ///< end of draining
  time_point linger_until_ = never;            ///< time_wait, reset_sent
  time_point answered_at_ = time_point::min(); ///< repeated first flight, RST while lingering
  time_point let_through_ = time_point::min(); ///< the last datagram over the bound
  time_point challenged_ = time_point::min();  ///< the last challenge ACK
  time_point asked_at_ = time_point::min();    ///< the first keepalive of the present question
  time_point asked_last_ = time_point::min();  ///< its last
  /// Legacy: when the segment that opens trackers' windows should have done so. Unscaled: the end of patience with a full one.
  time_point window_at_ = never;
  time_point compare_at_ = never; ///< with its fellows; set: some datagram is unproven
  time_point unproven_since_{};   ///< that datagram
  time_point compared_at_{};      ///< the first question asked for that
  time_point syn_again_at_ = time_point::min(); ///< legacy server: a SYN of a new connection came

  seq_num irs_;
  seq_num syn_again_; ///< that SYN's
  std::uint32_t held_bytes_ = 0;
  std::uint32_t held_segments_ = 0;
  std::uint32_t first_window_ = 60'000; ///< bound until the peer's first segment that is no SYN
  std::uint32_t max_datagram_ = 0;
  recent_progress recent_;
  xorshift random_;
  std::uint64_t fin_ahead_ = 0; ///< the end of a FIN that came with octets missing; 0: none did
  std::uint32_t round_trip_ = 0, round_trip_var_ = 0; ///< smoothed, in microseconds; 0: unknown
  std::uint16_t question_ = 0; ///< the window that answers to a keepalive repeat; 0: none was sent
  std::uint16_t ip_id_ = 0;
  std::uint16_t acked_id_ = 0;      ///< ip_id_ when nothing was under way
  std::uint16_t peer_mtu_ = 65'535; ///< least of what SYN-ACK and hello said
  std::uint16_t icmp_mtu_ = 65'535;
  state state_ = state::syn_sent;
  std::uint8_t probes_ = 0;         ///< unanswered
  std::uint8_t compared_times_ = 0; ///< questions of compared_at_
  bool behind_ = false;             ///< its fellows are answered and it is not
  bool client_ = false;
  bool greeted_ = false;    ///< the peer's hello was read
  bool peer_spoke_ = false; ///< a segment of the peer that is no SYN came
  bool shut_ = false;       ///< the SYN-ACK's window was 0: `opened` is to be said
  bool awaiting_ = false;   ///< what we sent wants an answer
  bool silent_ = false;     ///< went_silent was said
  bool idle_ = false;       ///< went_idle was said
  bool woke_ = false;       ///< became_active is to be said
  bool at_exit_ = false;
  bool ended_ = false;      ///< ended or try_new_port was said
  bool fresh_ = false;      ///< legacy server: nothing was handled yet
  bool third_seen_ = false; ///< legacy server: the handshake's third segment came
  /// Of an unproven client: where the first segments that it was sent end, and what it acknowledged
  /// that was none of it.
  std::array<std::uint16_t, 8> ends_{};
  std::uint8_t ends_known_ = 0, wrong_acks_ = 0;
  bool opener_sent_ = false; ///< legacy: the segment that opens trackers' windows went out
  bool rotate_ = false;      ///< legacy client: went_silent is to be said for want of acks
  bool rotated_up_ = false, rotated_down_ = false; ///< it was, of what we sent or received
  bool unscaled_ = false; ///< something on the path took the window scale away
  bool syn_repeated_ = false;
  std::array<std::uint8_t, hello_size> hello_{};
};

} // namespace tonel::protocol
