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

/// The settings of a server's session.
struct server_session_config {
  std::chrono::seconds idle_timeout{180};
  /// The longest life of a stream; 0: no limit.
  std::chrono::seconds deadline{0};
  /// Spreads the ends of sessions that fall idle at the same time; outlives the session.
  turns* endings = nullptr;
  /// Native client: from the hello that introduced the session.
  std::optional<session_proof> proof;
  /// The sockets to the upstream are those of an earlier session of the client, and open.
  bool has_upstream = false;
  /// Legacy client: limits what its streams together may send before the client has proven itself.
  std::shared_ptr<answer_limit> answers;
  /// xor_cipher::mark() of what changes datagrams; 0: nothing.
  std::uint64_t key_mark = 0;
  /// Legacy client: the session ends with its last stream, since no other could join it.
  bool legacy = false;
};

/// A stream that wants to join the session.
struct newcomer {
  four_tuple tuple;
  bool has_place = false; ///< the program's limits permit another stream
  bool is_first = false;  ///< legacy client: it opened the session's group
};

/// One session at the server as a pure state machine: takes the streams that prove to be its
/// client's, says which of them datagrams go to, and closes. Reports of streams and time go in;
/// effects, to be run in order, and the next deadline come out.
/// Shape:  no datagram passes here; session_failed or session_finished is the last effect
/// Source: docs/wire.md, "What a session does with what its streams report"; docs/legacy.md
class server_session {
public:
  explicit server_session(server_session_config config) noexcept;

  /// A segment that the acceptor has accepted; answered by give_stream, admit_stream or
  /// refuse_stream.
  server_effects adopt(const accept_stream& accepted, const newcomer& who, time_point now);
  server_effects adopt(const accept_legacy& accepted, const newcomer& who, time_point now);
  /// A report of one of its streams; keep the order in which streams make them.
  server_effects on_report(const stream_report& report, time_point now);
  /// The stream is gone: after it reported `ended`; or without that report, by a fault of the
  /// program.
  server_effects on_gone(stream_number stream, time_point now);
  /// The actor or loop that serves the upstream's sockets has failed by a fault of the program.
  server_effects on_upstream_gone(time_point now);
  /// The upstream has another address: open its sockets anew.
  server_effects on_upstream_moved();
  /// Call it when deadline() has come; an earlier call does no harm.
  server_effects on_timer(time_point now);
  /// Call it after suspend: probes all streams.
  server_effects probe();
  /// Closes all streams by FIN (legacy: RST). at_exit: also those that only wait for late segments
  server_effects close(bool at_exit);
  /// Another session needs the place of this one: closes it at once.
  server_effects displace();

  /// The next time to call on_timer(); none: no timer. Any call above may change it.
  std::optional<time_point> deadline() const noexcept;
  standing state() const noexcept;
  /// The streams in use.
  std::vector<stream_standing> streams() const;
  /// The addresses of a stream; null: there is no such stream.
  const four_tuple* tuple_of(stream_number stream) const noexcept;
  /// What another session of this client can go on with; nothing: this one has closed, or its client proves
  /// nothing.
  std::optional<session_proof> proof() const { return closing_ ? std::nullopt : proof_; }
  /// The client's address and port, by its newest stream.
  const endpoint& peer() const noexcept { return peer_; }

private:
  // Kept small: a server has many thousand sessions.
  struct member {
    time_point since{};
    four_tuple tuple;
    stream_number stream = 0;
    profile wire = profile::native;
    std::uint8_t index = 0;
    bool current = true; ///< false: replaced or ended, and only drains or answers late segments
    bool idle = false;
    bool silent = false; ///< it is not answered, while its fellows are
  };

  /// The stream that this segment belongs to; null: none yet.
  const member* repeated(const four_tuple& tuple) const noexcept;
  void add(std::uint8_t index, stream_config& machine, const newcomer& who, time_point now,
           server_effects& out);
  void note_move(const ip_address& address, server_effects& out) const;
  bool has_current() const noexcept;
  bool is_idle() const noexcept; ///< every stream is idle
  void end_in_turn(time_point now, server_effects& out);
  member* current_at(std::size_t index) noexcept;
  void note_streamless(time_point now, server_effects& out);
  void announce(server_effects& out) const;
  void end(bool at_exit, session_end why, server_effects& out);
  void release(server_effects& out);
  void finish_if_done(server_effects& out);

  std::chrono::seconds idle_timeout_, deadline_;
  turns* endings_;
  std::uint64_t key_mark_;
  std::optional<session_proof> proof_;
  std::shared_ptr<fellows> fellows_;       ///< null unless several native streams
  std::shared_ptr<answer_limit> answers_;  ///< legacy client
  std::vector<member> streams_;            ///< streams that are not gone yet, by index
  std::unique_ptr<restart_budget> faults_; ///< for faults at the upstream; null before the first
  time_point wake_at_ = time_point::max();
  endpoint peer_;
  stream_number latest_ = 0;
  bool legacy_ = false;
  bool has_upstream_ = false;      ///< open_upstream was given
  bool inherits_upstream_ = false; ///< and is to be given for the first stream
  bool streamless_ = false;
  bool closing_ = false;
  bool released_ = false;             ///< release_upstream was given
  bool over_ = false;                 ///< failed or finished
  std::uint32_t told_limit_ = 65'535; ///< octets of the largest datagram that was told as too large
};

} // namespace tonel::protocol
