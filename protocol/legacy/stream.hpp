#pragma once

#include "protocol/answer_limit.hpp"
#include "protocol/deadlines.hpp"
#include "protocol/effects.hpp"
#include "protocol/flow/challenge.hpp"
#include "protocol/flow/closing.hpp"
#include "protocol/flow/idleness.hpp"
#include "protocol/flow/path_mtu.hpp"
#include "protocol/flow/round_trip.hpp"
#include "protocol/flow/segment_headers.hpp"
#include "protocol/flow/sequence_space.hpp"
#include "protocol/legacy/peer.hpp"
#include "protocol/packet.hpp"
#include "protocol/profile.hpp"
#include "protocol/stream_config.hpp"
#include "protocol/time.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace tonel::protocol::legacy {

/// What a stream of an older dialect waits for while it is not closing.
enum class timer : std::uint8_t {
  attempt, ///< client: the SYN is repeated, or the peer asked for what shows that it has our third ACK
  ack,     ///< the delayed ACK
  keepalive, ///< client: nothing received for the interval
  check,     ///< client: some time after the last datagram received
  probe,     ///< the next probe, or the verdict
  larger,    ///< what ICMP said is forgotten
  drained,   ///< superseded, and the time to read on is over
  opener,    ///< server: the segment that opens trackers' windows should have done so
  count,
};
/// The enumerator's name.
const char* to_string(timer t) noexcept;

/// One stream with tonel 0.6.1 or phantun at the other end: SYNs have a window scale alone, no segment has
/// PSH, RST closes. What one of these does alone is its `peer`'s. Its interface is that of
/// protocol::stream, which documents it.
/// Source: docs/legacy.md
class stream {
public:
  static stream connect(const stream_config& config) noexcept;
  static stream accept(const stream_config& config, seq_num client_iss, time_point now) noexcept;

  effects open(time_point now) noexcept;
  effects on_segment(const segment_repr& in, byte_view payload, time_point now) noexcept;
  effects on_timer(time_point now) noexcept;
  effects on_too_big(const packet_too_big& icmp, time_point now) noexcept;
  effects on_resume(time_point now) noexcept;
  effects close(time_point now, bool at_exit) noexcept;
  effects reset(time_point now) noexcept;
  effects supersede(time_point now) noexcept;

  std::uint32_t admit(std::uint32_t size, std::uint32_t datagrams, time_point now) noexcept;
  segment_header data_header(std::uint32_t length, std::uint32_t datagrams, bool last_of_batch,
                             time_point now) noexcept;

  /// time_point::max(): no timer is needed.
  time_point deadline() const noexcept;
  const deadlines<timer>& timers() const noexcept { return timers_; }
  bool is_open() const noexcept {
    return greeted_ && closing_.is(flow::stage::open) && !timers_.is_set(timer::drained);
  }
  const four_tuple& tuple() const noexcept { return headers_.tuple; }
  errc withheld() const noexcept {
    return !is_open() ? errc::not_open : unproven() ? errc::unacknowledged : errc::window_closed;
  }
  profile wire() const noexcept { return peer_->shown(); }
  bool has_push() const noexcept { return false; }
  std::uint16_t group_token() const noexcept { return peer_->group_token(*this); }
  std::uint32_t max_datagram() const noexcept { return mtu_.max_datagram(); }
  time_point last_datagram() const noexcept { return idle_.last(); }
  seq_num snd_nxt() const noexcept { return space_.snd_nxt(); }
  seq_num rcv_nxt() const noexcept { return space_.rcv_nxt(); }

private:
  friend class may_be_tonel;
  friend class unknown;
  friend class tonel;
  friend class phantun;
  friend class peer;

  /// A client's trackers stop an upload without answers between 64 KiB and twice that. With more than
  /// 64 KiB under way a probe passes, but opens nothing: it acknowledges too little.
  static constexpr std::uint64_t stuck_after = std::uint64_t{64} << 10;

  stream(const stream_config& config, bool client) noexcept;

  // Handshake (handshake.cpp).
  void on_syn_timer(time_point now, effects& out) noexcept;
  void on_syn_sent(const segment_repr& in, time_point now, effects& out) noexcept;
  void establish(const segment_repr& in, time_point now, effects& out) noexcept;
  void confirm(time_point now, effects& out) noexcept {
    if (!greeted_) confirmed(now, out);
  }
  void confirmed(time_point now, effects& out) noexcept;
  void greet(time_point now, effects& out) noexcept;
  void on_syn(const segment_repr& in, time_point now, effects& out) noexcept;
  bool answer_new_syn(const segment_repr& in, time_point now, effects& out) noexcept;
  bool starts_anew(const segment_repr& in, time_point now) const noexcept;
  void give_up_port(effects& out) noexcept;
  void learn(profile shown) noexcept { peer_ = &peer_->shows(shown); }

  // Segments (stream.cpp).
  void on_open(const segment_repr& in, time_point now, effects& out) noexcept;
  void received(time_point now, effects& out) noexcept;
  void on_probe(const segment_repr& in, time_point now, effects& out) noexcept;
  /// A client's handshake packet is what stands first in its numbers, not what comes first: so a lost
  /// one takes no datagram along.
  void skip_packet(const segment_repr& in, std::int64_t at) noexcept {
    if (at == 0 && !client_ && has_packet()) peer_control_ = in.datagram_size;
  }
  void deliver_data(std::uint64_t control, const segment_repr& in, std::int64_t at, time_point now,
                    effects& out) noexcept;
  void judge_ack(const segment_repr& in, std::int64_t ack) noexcept;
  void on_wrong_ack(time_point now, effects& out) noexcept;
  void note_sent(std::uint32_t length, std::uint32_t datagrams) noexcept;
  void challenge(effects& out, time_point now) noexcept;
  segment_header header(seq_num seq, std::uint8_t flags) noexcept;
  void send_ack(effects& out) noexcept;
  void send_packet(effects& out) noexcept;
  void send_probe(std::uint32_t seq, effects& out) noexcept;

  // Liveness, and what trackers on the way need (liveness.cpp).
  void on_open_timer(time_point now, effects& out) noexcept;
  void send_keepalive(time_point now, effects& out) noexcept;
  void owe_ack(time_point now, effects& out) noexcept;
  void send_opener(time_point now, effects& out) noexcept;
  void on_opener_timer(time_point now, effects& out) noexcept;
  void watch_window() noexcept {
    if (client_) watch_acks();
  }
  void watch_acks() noexcept;

  // Closing (close.cpp).
  void on_reset(const segment_repr& in, time_point now, effects& out) noexcept;
  void on_closing(const segment_repr& in, time_point now, effects& out) noexcept;
  void send_reset(time_point now, effects& out) noexcept;
  void end(end_reason why, time_point now, effects& out) noexcept;
  void forget(effects& out) noexcept;

  bool is_v4() const noexcept { return headers_.is_v4(); }
  bool has_packet() const noexcept { return handshake_packet_ && !handshake_packet_->empty(); }
  /// An older client that has not shown that it sees what we send.
  bool unproven() const noexcept { return answers_ && !answers_->proven(); }

  const peer* peer_;
  flow::segment_headers headers_;
  flow::sequence_space space_;
  flow::closing closing_;
  flow::idleness idle_;
  deadlines<timer> timers_;
  flow::path_mtu mtu_;
  flow::round_trip trip_;
  flow::challenge_limit challenges_;

  duration keepalive_;
  std::shared_ptr<const std::vector<std::uint8_t>> handshake_packet_;
  std::shared_ptr<answer_limit> answers_;
  random_rate_limit* challenge_budget_;
  const syn_cookie* cookie_;

  std::uint64_t peer_control_ =
      0; ///< octets of the peer's handshake packet at the start, once known
  std::uint64_t packet_at_ =
      0;                 ///< client: where a server's handshake packet starts, as far as is known
  time_point started_{}; ///< of the SYN, then the handshake's third segment
  time_point answered_at_ = time_point::min();     ///< the last handshake packet of ours
  time_point last_sent_ = time_point::min();       ///< the last datagram of ours
  time_point syn_again_at_ = time_point::min();    ///< server: a SYN of a new connection came
  time_point held_back_until_ = time_point::min(); ///< client: what is sent is bounded until then
  seq_num syn_again_;                              ///< that SYN's
  std::uint16_t first_id_;                         ///< the first IP ID
  /// Of an unproven client: where the first segments that it was sent end, and what it acknowledged
  /// that was none of it.
  std::array<std::uint16_t, 8> ends_{};
  std::uint8_t ends_known_ = 0, wrong_acks_ = 0;
  std::uint8_t probes_ = 0; ///< unanswered
  bool client_;
  bool joins_; ///< a group
  bool last_port_;
  bool first_port_;
  bool greeted_ = false;       ///< the peer has our third ACK
  bool awaits_packet_ = false; ///< data goes when the server's handshake packet has come
  bool awaiting_ = false;      ///< what we sent wants an answer
  bool silent_ = false;        ///< went_silent was said
  bool ended_ = false;         ///< ended or try_new_port was said
  bool fresh_ = false;         ///< server: nothing was handled yet
  bool third_seen_ = false;    ///< server: the handshake's third segment came
  bool opener_sent_ = false;   ///< the segment that opens trackers' windows went out
  bool rotate_ = false;        ///< client: went_silent is to be said for want of acks
  bool rotated_up_ = false, rotated_down_ = false; ///< it was, of what we sent or received
};

} // namespace tonel::protocol::legacy
