#pragma once

#include "protocol/boxed.hpp"
#include "protocol/deadlines.hpp"
#include "protocol/effects.hpp"
#include "protocol/flow/challenge.hpp"
#include "protocol/flow/closing.hpp"
#include "protocol/flow/idleness.hpp"
#include "protocol/flow/judge.hpp"
#include "protocol/flow/opening.hpp"
#include "protocol/flow/path_mtu.hpp"
#include "protocol/flow/round_trip.hpp"
#include "protocol/flow/segment_headers.hpp"
#include "protocol/flow/sequence_space.hpp"
#include "protocol/hello.hpp"
#include "protocol/native/question.hpp"
#include "protocol/packet.hpp"
#include "protocol/profile.hpp"
#include "protocol/stream_config.hpp"
#include "protocol/time.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace tonel::protocol::native {

/// The timers of a native stream while it is open; its end is timed by flow::closing.
enum class timer : std::uint8_t {
  attempt,   ///< repeats the SYN or the first flight
  ack,       ///< the delayed ACK
  keepalive, ///< client: the keepalive interval since the last segment
  check,     ///< client: 3 s after the last datagram received
  probe,     ///< the next probe, or the end of the wait for its answer
  dead,      ///< server: 3.5 keepalive intervals since the last segment
  larger,    ///< forgets the MTU of ICMP
  drained,   ///< superseded: end of the time to read on
  window,    ///< unscaled window: end of the wait after it is full
  compare,   ///< compares the stream with its fellows; set while a datagram is unproven
  count,
};
/// The enumerator's name.
const char* to_string(timer t) noexcept;

/// A stream of the native dialect: a hello opens each direction, PSH marks zero-length datagrams,
/// FIN closes. The interface is documented at protocol::stream.
/// Source: docs/wire.md
class stream {
public:
  static stream connect(const stream_config& config) noexcept;
  static stream accept(const stream_config& config, const hello_repr& hello, seq_num client_iss,
                       time_point now) noexcept;

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
    return closing_.is(flow::stage::open) && !timers_.is_set(timer::drained);
  }
  const four_tuple& tuple() const noexcept { return headers_.tuple; }
  errc withheld() const noexcept { return is_open() ? errc::window_closed : errc::not_open; }
  profile wire() const noexcept { return profile::native; }
  bool has_push() const noexcept { return true; }
  std::uint16_t group_token() const noexcept { return 0; }
  std::uint32_t max_datagram() const noexcept { return mtu_.max_datagram(); }
  time_point last_datagram() const noexcept { return idle_.last(); }
  seq_num snd_nxt() const noexcept { return space_.snd_nxt(); }
  seq_num rcv_nxt() const noexcept { return space_.rcv_nxt(); }

private:
  /// For the comparison of a stream with its fellows.
  struct comparison {
    std::shared_ptr<protocol::fellows> fellows;
    time_point unproven_since{}; ///< time of the datagram to be proven
    time_point asked_first{};    ///< first question about that datagram
    std::uint8_t questions = 0;  ///< since asked_first
  };

  stream(const stream_config& config, bool client) noexcept;

  // Handshake (handshake.cpp).
  void on_syn_sent(const segment_repr& in, time_point now, effects& out) noexcept;
  void establish(const segment_repr& in, time_point now, effects& out) noexcept;
  void first_word(time_point now, effects& out) noexcept;
  std::array<std::uint8_t, hello_size> encoded_hello() const noexcept;
  void send_flight(time_point now, effects& out) noexcept;
  bool is_ours(const hello_repr& hello) const noexcept;
  void note_strange(byte_view payload, std::int64_t at, effects& out) noexcept;
  void greet(const hello_repr& hello, time_point now, effects& out) noexcept;
  void refuse_hello(errc reason, end_reason why, time_point now, effects& out) noexcept;
  void hold(const segment_repr& in, time_point now, effects& out) noexcept;
  void on_syn_timer(time_point now, effects& out) noexcept;
  bool on_flight_timer(time_point now, effects& out) noexcept;
  void give_up_port(effects& out) noexcept {
    ended_ = true;
    flow::give_up_port(last_port_, out);
  }

  // Segments of an open stream (stream.cpp).
  void on_open(const segment_repr& in, byte_view payload, time_point now, effects& out) noexcept;
  void received(time_point now, effects& out) noexcept;
  void on_payload(const segment_repr& in, byte_view payload, std::int64_t at, time_point now,
                  effects& out) noexcept;
  void deliver_data(const segment_repr& in, std::int64_t at, time_point now, effects& out) noexcept;
  std::uint64_t control_end() const noexcept;
  std::uint64_t send_bound() const noexcept;

  // Liveness (liveness.cpp).
  void on_open_timer(time_point now, effects& out) noexcept;
  bool on_probe_timer(time_point now, effects& out) noexcept;
  bool on_full_window(time_point now, effects& out) noexcept;
  void send_keepalive(time_point now, effects& out) noexcept;
  void ask(time_point now, effects& out) noexcept;
  void answer(const segment_repr& in, effects& out) noexcept;
  void measured(duration sample) noexcept;
  void await_answer(time_point now) noexcept;
  void owe_ack(time_point now, effects& out) noexcept;
  void go_silent(effects& out) noexcept;

  // Among its fellows (fellows.cpp).
  void compare_later(time_point now) noexcept;
  void proven(time_point now) noexcept;
  void on_compare_timer(time_point now, effects& out) noexcept;

  // Closing (close.cpp).
  void on_reset(const segment_repr& in, time_point now, effects& out) noexcept;
  void on_fin_segment(std::int64_t at, std::int64_t end, std::int64_t expected, time_point now,
                      effects& out) noexcept;
  void on_fin(time_point now, effects& out) noexcept;
  void on_closing(const segment_repr& in, time_point now, effects& out) noexcept;
  void on_closing_timer(time_point now, effects& out) noexcept;
  void challenge(const segment_repr& in, time_point now, effects& out) noexcept;
  void send_fin(effects& out) noexcept;
  void send_reset(time_point now, effects& out) noexcept;
  void forget(effects& out) noexcept;

  // Segments out.
  segment_header header(seq_num seq, std::uint8_t flags) noexcept;
  void send_ack(effects& out) noexcept;

  bool is_v4() const noexcept { return headers_.is_v4(); }

  flow::segment_headers headers_;
  flow::sequence_space space_;
  flow::judge judge_;
  flow::closing closing_;
  flow::idleness idle_;
  deadlines<timer> timers_;
  flow::path_mtu mtu_;
  flow::round_trip trip_;
  flow::challenge_limit challenges_;
  question question_;

  duration keepalive_;
  session_claim session_;
  std::shared_ptr<const std::vector<std::uint8_t>> handshake_packet_;
  boxed<comparison> comparison_;                      ///< of one of several streams
  boxed<std::array<std::uint8_t, hello_size>> hello_; ///< until the peer has acknowledged it
  random_rate_limit* challenge_budget_;
  const syn_cookie* cookie_;

  std::uint64_t peer_control_ = 0; ///< L of the peer's direction, once greeted
  std::uint64_t peer_hello_ = 0;   ///< position of the peer's hello
  std::uint64_t fin_ahead_ = 0;    ///< end of a FIN that came behind missing octets; 0: none
  time_point started_{};           ///< time of the SYN, later of the first flight
  time_point answered_at_ = time_point::min(); ///< when the first flight was repeated
  time_point let_through_ = time_point::min(); ///< last datagram over the limit
  std::uint32_t held_bytes_ = 0;
  std::uint32_t held_segments_ = 0;
  std::uint32_t first_window_ = 60'000; ///< limit until the peer's first segment that is no SYN
  std::uint32_t key_capability_;        ///< which key datagrams are changed by, for the peer
  std::uint16_t acked_id_;              ///< next IP ID when nothing was under way last
  std::uint16_t device_mtu_;
  std::uint8_t stream_index_, stream_count_;
  std::uint8_t probes_ = 0; ///< unanswered probes
  bool client_;
  bool last_port_;
  bool detect_legacy_;
  bool behind_ = false;     ///< not answered, while its fellows are
  bool greeted_ = false;    ///< the peer's hello was received
  bool strange_ = false;    ///< spoke_otherwise was said
  bool peer_spoke_ = false; ///< a segment of the peer that is no SYN came
  bool shut_ = false;       ///< the SYN-ACK's window was 0: `opened` is still to be given
  bool awaiting_ = false;   ///< a segment was sent that needs an answer
  bool silent_ = false;     ///< went_silent was given
  bool ended_ = false;      ///< ended or try_new_port was given
  bool unscaled_ = false;   ///< the path has removed the window scale
  bool syn_repeated_ = false;
};

} // namespace tonel::protocol::native
