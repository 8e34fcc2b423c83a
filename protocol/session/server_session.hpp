#pragma once

#include "protocol/acceptor.hpp"
#include "protocol/address.hpp"
#include "protocol/answer_limit.hpp"
#include "protocol/rate_limit.hpp"
#include "protocol/session/backoff.hpp"
#include "protocol/session/session_effects.hpp"
#include "protocol/session/stream_report.hpp"
#include "protocol/session_proof.hpp"
#include "protocol/stream.hpp"
#include "protocol/time.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace tonel::protocol {

/// What a server's session is started with.
struct server_session_config {
  std::chrono::seconds idle_timeout{180};
  /// A stream lives no longer; 0: as long as it works.
  std::chrono::seconds deadline{0};
  /// In turn with other sessions that fall idle at once; it outlives the session.
  turns* endings = nullptr;
  /// Of a native client: from the hello that introduced the session.
  std::optional<session_proof> proof;
  /// Of an older client: what all its streams together may say before it has proven itself.
  std::shared_ptr<answer_limit> answers;
  bool legacy =
      false; ///< of an older client: ends with its last stream, since nothing could bring another
};

/// A stream that wants to be the session's.
struct newcomer {
  four_tuple tuple;
  bool has_place = false; ///< the program may have one more
  bool is_first = false;  ///< older client: it opened the session's group
};

/// One peer's session at the server as a pure state machine: takes the streams that prove to be its
/// client's, says which of them datagrams go to, and closes. Reports of streams and time go in; what is to
/// be done, in order, and the next deadline come out.
/// Shape:  no datagram passes here. After session_failed or session_finished nothing more is said
/// Source: docs/wire.md, "What a session does with what its streams report"; docs/legacy.md
class server_session {
public:
  explicit server_session(server_session_config config) noexcept;

  /// What the acceptor makes of a segment: answered by one of give_stream, admit_stream, refuse_stream.
  server_effects adopt(const accept_stream& accepted, const newcomer& who, time_point now);
  server_effects adopt(const accept_legacy& accepted, const newcomer& who, time_point now);
  /// A stream's, in the order in which they are said.
  server_effects on_report(const stream_report& report, time_point now);
  /// Nothing is left of the stream: it said that it ended and may be forgotten, or (without a word)
  /// there was a fault of the program.
  server_effects on_gone(stream_number stream, time_point now);
  /// What serves the upstream has failed by a fault of the program.
  server_effects on_upstream_gone(time_point now);
  /// Call when deadline() has come; earlier does no harm.
  server_effects on_timer(time_point now);
  /// After suspend.
  server_effects probe();
  /// Close all streams by FIN (older dialects: RST). at_exit: those too that only wait for late segments
  server_effects close(bool at_exit);
  /// Another session needs what this one holds.
  server_effects displace();

  /// Nothing: no timer is needed. May have moved after any call above.
  std::optional<time_point> deadline() const noexcept;
  standing state() const noexcept;
  /// Those in use.
  std::vector<stream_standing> streams() const;
  /// Of one of these.
  const four_tuple* tuple_of(stream_number stream) const noexcept;
  /// Of the newest stream.
  const endpoint& peer() const noexcept { return peer_; }

private:
  // There is one of these for each session of many thousands: what is not needed is not kept.
  struct member {
    time_point since{};
    four_tuple tuple;
    stream_number stream = 0;
    profile wire = profile::native;
    std::uint8_t index = 0;
    bool current = true; ///< false: replaced, or ended; it drains, or answers late segments
    bool idle = false;
    bool silent = false; ///< its fellows are answered and it is not
  };

  /// The stream of this segment, where it exists and gets it.
  const member* repeated(const four_tuple& tuple) const noexcept;
  void add(std::uint8_t index, stream_config& machine, const newcomer& who, time_point now,
           server_effects& out);
  void note_move(const ip_address& address, server_effects& out) const;
  bool has_current() const noexcept;
  bool is_idle() const noexcept; ///< every stream is
  void end_in_turn(time_point now, server_effects& out);
  member* current_at(std::size_t index) noexcept;
  void note_streamless(time_point now, server_effects& out);
  void announce(server_effects& out) const;
  void end(bool at_exit, server_effects& out);
  void release(server_effects& out);
  void finish_if_done(server_effects& out);

  std::chrono::seconds idle_timeout_, deadline_;
  turns* endings_;
  std::optional<session_proof> proof_;
  std::shared_ptr<fellows> fellows_;       ///< of several native streams
  std::shared_ptr<answer_limit> answers_;  ///< of an older client
  std::vector<member> streams_;            ///< those that are not gone yet, by index
  std::unique_ptr<restart_budget> faults_; ///< of what serves the upstream, from the first on
  time_point wake_at_ = time_point::max();
  endpoint peer_;
  stream_number latest_ = 0;
  bool legacy_ = false;
  bool has_upstream_ = false; ///< it was asked for
  bool streamless_ = false;
  bool closing_ = false;
  bool released_ = false; ///< its sockets, and its place among the sessions
  bool over_ = false;     ///< failed or finished
  bool told_too_large_ = false;
};

} // namespace tonel::protocol
