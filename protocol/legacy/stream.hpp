#pragma once

#include "protocol/answer_limit.hpp"
#include "protocol/deadlines.hpp"
#include "protocol/effects.hpp"
#include "protocol/flow/challenge.hpp"
#include "protocol/flow/closing.hpp"
#include "protocol/flow/idleness.hpp"
#include "protocol/flow/opening.hpp"
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

/// The timers of a legacy stream while it is not closing.
enum class timer : std::uint8_t {
  attempt,   ///< client: repeats the SYN, or asks for a sign that the peer has our third ACK
  ack,       ///< the delayed ACK
  keepalive, ///< client: the keepalive interval since the last segment
  check,     ///< client: some time after the last datagram received
  probe,     ///< the next probe, or the end of the wait for its answer
  larger,    ///< forgets the MTU of ICMP
  drained,   ///< superseded: end of the time to read on
  opener,    ///< server: checks whether the opener has opened the windows of trackers
  count,
};
/// The enumerator's name.
const char* to_string(timer t) noexcept;

/// A stream whose peer is tonel 0.6.1 or phantun: SYNs have no option but the window scale, no
/// segment has PSH, RST closes. The differences between both are in `peer`. The interface is
/// documented at protocol::stream.
/// Source: docs/legacy.md
class stream {
public:
  static stream connect(const stream_config& config) noexcept;
  static stream accept(const stream_config& config, seq_num client_iss, time_point now) noexcept;

  effects open(time_point now) noexcept;
  effects on_segment(const segment_repr& in, byte_view payload, time_point now) noexcept;
  effects on_timer(time_point now) noexcept;
  effects on_too_big(const packet_too_big& icmp, time_point now) noexcept;
  effects on_undelivered(const packet_undelivered& icmp) noexcept;
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

  /// Trackers at a client stop an upload without answers between 64 KiB and twice that. With more
  /// than 64 KiB under way a probe passes, but acknowledges too little to open their window.
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
  void give_up_port(effects& out) noexcept {
    ended_ = true;
    flow::give_up_port(last_port_, out);
  }
  void learn(profile shown) noexcept { peer_ = &peer_->shows(shown); }

  // Segments (stream.cpp).
  void on_open(const segment_repr& in, time_point now, effects& out) noexcept;
  void received(time_point now, effects& out) noexcept;
  void on_probe(const segment_repr& in, time_point now, effects& out) noexcept;
  /// A client's handshake packet is the segment with the first sequence number, not the first to
  /// arrive: so if it is lost, no datagram is taken for it.
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
  /// The client has not proven itself (answer_limit).
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

  std::uint64_t peer_control_ = 0; ///< end of the peer's handshake packet, once known
  std::uint64_t packet_at_ = 0;    ///< client: position of the server's handshake packet, if known
  time_point started_{};           ///< time of the SYN, later of the third segment
  time_point answered_at_ = time_point::min();     ///< our last handshake packet
  time_point last_sent_ = time_point::min();       ///< our last datagram
  time_point syn_again_at_ = time_point::min();    ///< server: when a SYN of a new connection came
  time_point held_back_until_ = time_point::min(); ///< client: datagrams are limited until then
  seq_num syn_again_;                              ///< sequence number of that SYN
  std::uint16_t first_id_;                         ///< the first IP ID
  /// Unproven client: the ends of the first segments sent to it, and its acks that fit none of
  /// them.
  std::array<std::uint16_t, 8> ends_{};
  std::uint8_t ends_known_ = 0, wrong_acks_ = 0;
  std::uint8_t probes_ = 0; ///< unanswered probes
  bool client_;
  bool joins_; ///< joins a group
  bool last_port_;
  bool first_port_;
  bool greeted_ = false;       ///< the peer has our third ACK
  bool awaits_packet_ = false; ///< client: data waits for the server's handshake packet
  bool awaiting_ = false;      ///< a segment was sent that needs an answer
  bool silent_ = false;        ///< went_silent was given
  bool ended_ = false;         ///< ended or try_new_port was given
  bool fresh_ = false;         ///< server: no segment was handled yet
  bool third_seen_ = false;    ///< server: the handshake's third segment came
  bool opener_sent_ = false;   ///< the segment that opens trackers' windows was sent
  bool rotate_ = false;        ///< client: give went_silent for lack of acks
  bool rotated_up_ = false, rotated_down_ = false; ///< was given, for octets sent or received
};

} // namespace tonel::protocol::legacy
