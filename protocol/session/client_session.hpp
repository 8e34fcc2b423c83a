#pragma once

#include "protocol/address.hpp"
#include "protocol/rate_limit.hpp"
#include "protocol/session/backoff.hpp"
#include "protocol/session/remote_addresses.hpp"
#include "protocol/session/remote_dialects.hpp"
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

/// What a client's session asks of the program around it.
/// Owns: outlives the session
class client_resources {
public:
  virtual ~client_resources() = default;
  /// Where a stream to there begins.
  virtual local_end take_local_end(const endpoint& remote) = 0;
  /// Whether a further attempt may be made beside one that has no answer yet.
  virtual bool may_race(time_point now) = 0;
  /// Those of an earlier session that is to go on, or a random session id and secret; a second call never
  /// the former.
  virtual session_claims draw_claims() = 0;
  /// The time of the session's last datagram, either way.
  virtual time_point last_datagram() const = 0;
  /// What all sessions know of remotes.
  virtual remote_knowledge& remotes() = 0;
  /// In turn with other sessions that fall idle at once, or begin anew.
  virtual turns& endings() = 0;
  /// A session that has carried nothing yet may try; as tunnel_record::take_turn.
  virtual bool take_turn(time_point) { return true; }
  /// When it may, otherwise.
  virtual time_point next_turn() const { return {}; }
  /// No datagram has ever come back through the tunnel, so that it is worth a look.
  virtual bool awaits_reply() const { return false; }
  /// Datagrams of the session have gone; and some have come back.
  virtual bool has_sent() const { return true; }
  virtual bool had_reply() const { return true; }

protected:
  client_resources() = default;
  client_resources(const client_resources&) = default;
  client_resources& operator=(const client_resources&) = default;
};

/// The settings of a client's session.
struct client_session_config {
  std::size_t streams = 1; ///< 1..255
  /// The dialect; none: tries native first, then what the remote is found to speak.
  std::optional<profile> wire;
  std::chrono::seconds idle_timeout{180};
  /// The longest life of a stream; 0: no limit.
  std::chrono::seconds deadline{0};
  /// xor_cipher::mark() of what changes datagrams; 0: nothing.
  std::uint64_t key_mark = 0;
};

/// One application's session at the client as a pure state machine: opens streams, replaces lost
/// ones, chooses ports and dialects, and gives up. Reports of streams and time go in; effects, to
/// be run in order, and the next deadline come out.
/// Shape:  no datagram passes here; session_failed or session_finished is the last effect
/// Source: docs/wire.md, "What a session does with what its streams report"; docs/legacy.md
class client_session {
public:
  /// from: outlives the session
  client_session(const client_session_config& config, client_resources& from);

  /// Call it once, before all else. remotes: the remote's addresses in the order to try them; none if
  /// not resolved yet
  client_effects start(const std::vector<endpoint>& remotes, time_point now);
  /// A report of one of its streams; keep the order in which streams make them.
  client_effects on_report(const stream_report& report, time_point now);
  /// The stream is gone: after it reported `ended`; or without that report, by a fault of the
  /// program.
  client_effects on_gone(stream_number stream, time_point now);
  /// Call it when deadline() has come; an earlier call does no harm.
  client_effects on_timer(time_point now);
  /// Datagrams wait, and no stream is announced to take them.
  client_effects want(time_point now);
  /// The remote's addresses, for the first time or changed. Streams at an address that is not among
  /// them any more move to the first that answers.
  client_effects resolved(const std::vector<endpoint>& remotes, time_point now);
  /// Another session's stream was opened after some time in which none was: those that wait try at once.
  client_effects remote_answers(time_point now);
  /// The host has other addresses now for packets to its remotes. `left`: the streams that have one it does
  /// not use there any more, all of them: others take their places at once. What waits for a route tries
  /// again.
  client_effects readdressed(const std::vector<stream_number>& left, time_point now);
  /// Call it after suspend: probes all streams.
  client_effects probe(time_point now);
  /// Closes all streams by FIN. at_exit: also those that only wait for late segments
  client_effects close(bool at_exit, time_point now);
  /// Ends all streams at once, by RST: the server keeps the session for another that goes on with it.
  client_effects leave(time_point now);

  /// Some stream has shown that datagrams pass, and has not fallen silent since.
  bool carries() const;
  /// Names the session at both ends.
  const session_id& id() const noexcept { return claims_.id(); }
  /// By which another session can go on with this one; nothing: no server has it.
  std::optional<session_claim> claim() const noexcept {
    if (!proven_ || claims_.introduces() || closing_) return std::nullopt;
    return claims_.last();
  }
  /// The next time to call on_timer(); none: no timer. Any call above may change it.
  std::optional<time_point> deadline() const;
  standing state() const;
  /// The streams in use, and those that will take their places.
  std::vector<stream_standing> streams() const;

private:
  struct member {
    stream_number stream = 0;
    endpoint remote;
    profile wire = profile::native; ///< as it was opened
    unsigned port = 1;              ///< attempt number of this handshake, from 1
    std::uint32_t generation = 0;
    bool joins = false; ///< joins the group that another stream has opened
    bool opened = false;
    time_point since{};
    std::uint64_t hello = 0; ///< counter of its hello
    /// Counts the servers that the session has been introduced to.
    unsigned home = 0;
    std::optional<time_point> ends_at; ///< the end of its longest life
    bool introduced = false;           ///< its hello introduced the session
    bool greeted = false;              ///< its hello was answered
    bool left = false;                 ///< the host has another address for its packets
    explicit operator bool() const noexcept { return stream != 0; }
  };
  /// Attempts to open one stream at several addresses, and on several ports, at once; the first to get an
  /// answer is used.
  struct race {
    std::shared_ptr<stream_race> shared = std::make_shared<stream_race>();
    std::vector<member> rivals;   ///< beside the slot's `next`, the youngest last
    std::optional<time_point> at; ///< when further attempts join
    unsigned rounds = 0;
    address_race addresses;
    time_point since{};
    std::optional<member> refused;     ///< one of several addresses, the first to do so
    std::optional<time_point> heed_at; ///< when that counts, if the others stay silent
    bool told = false;                 ///< that there was no answer for long
  };
  /// One place of the session: the stream in use, and the stream that will take its place.
  struct slot {
    member current;
    bool open = false;
    bool idle = false;
    bool silent = false; ///< a probe went unanswered
    member next;
    std::unique_ptr<race> attempts; ///< set while another port may still overtake `next`
    bool wanted = false;            ///< a replacement is due at retry_at
    std::optional<time_point> retry_at;
    unsigned retry_port = 1; ///< attempt number of the next handshake
    unsigned elsewhere = 0;  ///< joins in a row that another server has refused
    std::optional<time_point> trying_since;
    bool refused = false;                  ///< the last try, by a RST that answered the SYN
    std::optional<time_point> given_up_at; ///< and the wait that follows has not begun
    backoff wait{duration::zero(), std::chrono::milliseconds{200}, std::chrono::seconds{30}};
    bool waits() const noexcept { return wanted && !retry_at; } ///< for pioneer_
  };

  client_effects done();
  void tell(const member& m, stream_order what);
  void remark(session_remark what);
  slot* slot_of(stream_number stream);

  // The local ends of its streams (client_session_ends.cpp).
  member connect(const slot& s, unsigned port, const endpoint& to);
  void no_end(slot& s);
  void leave_address(slot& s);

  // The remote's addresses (client_session_remotes.cpp).
  void aim_at_next();
  bool chooses() const;
  std::vector<endpoint> addresses_to_race() const;
  void missed(const endpoint& at);
  void reached(const endpoint& at);
  void tell_unanswered(race& r, const member& first);
  bool pass_on(slot& s, stream_number stream);
  bool heed_refusal(slot& s);
  bool strays(const slot& s) const;
  void stray_on(slot& s, bool at_once);
  void move();

  // Which of several servers behind one address it meets (client_session_servers.cpp).
  bool is_well(const slot& s) const;
  bool hops(const slot& s) const;
  bool try_elsewhere(slot& s, const member& refused);
  void doubt_server(const member& m);
  void stay(slot& s);
  void on_end_of_life(slot& s);

  // Attempts on several ports (client_session_race.cpp).
  void start_race(slot& s);
  void join_race(slot& s);
  bool add_rival(slot& s, const endpoint& to);
  bool remote_answers() const;
  void settle(slot& s, stream_number winner);
  void hurry(const slot& greeted);
  static bool is_rival(const slot& s, stream_number stream);
  bool rival_over(slot& s, stream_number stream);
  void drop_rivals(slot& s);

  void try_now(slot& s, unsigned port = 1);
  void open(slot& s, unsigned port = 1);
  void lost(slot& s, bool replace_now);
  void retry(slot& s);
  void aging(slot& s, stream_number stream);
  void try_port(slot& s, stream_number stream);
  void mark_silent(slot& s, stream_number stream, bool silent);
  void on_opened(slot& s, const stream_report& report);
  void on_greeted(slot& s, const stream_report& report);
  void promote(slot& s);
  void on_ended(slot& s, const stream_report& report);
  void announce();
  void give_up(slot& s);
  void end(bool at_exit, session_end why);
  bool is_open() const; ///< some stream is open
  bool is_idle() const; ///< every open stream is idle
  void end_in_turn();
  bool has_stream() const;

  // What is said where nothing gets through (client_session_failure.cpp).
  void darken();
  void lighten();
  opening_failure& evidence();
  void note_evidence(const stream_report& report);
  opening_failure failure_of(opening_cause cause) const;
  void attempt_failed(opening_cause cause, bool at_once = false);
  void attempt_failed(const member& m, end_reason why);
  void on_opening_time();
  void judge_key(const stream_report& report);
  void await_reply();
  void on_reply_time();

  // Dialects (client_session_wire.cpp).
  void choose_wire();
  bool decides_for_all() const;
  bool must_wait() const;
  bool single() const;
  bool group_is_well() const;
  bool is_automatic() const noexcept { return !config_.wire; }
  unsigned ports_to_try(profile of) const;
  bool can_join() const;
  void legacy_opened(const member& m, const stream_report& report);
  void follow(const slot& pioneers);
  void leave_group(const member& failed);
  void stream_over(stream_number stream);
  void found_legacy(slot& s, const stream_report& report);
  void not_answered(slot& s, const member& m, end_reason why);
  void on_proxied_path(slot& s, const member& m);

  client_session_config config_;
  client_resources& from_;
  time_point now_{};                ///< argument of the present call
  client_effects out_;              ///< effects of the present call
  std::vector<endpoint> addresses_; ///< the remote's, in the order to try them
  std::optional<endpoint> remote_;  ///< the address that new streams go to
  bool try_next_ = false; ///< remote_ did not answer: the next stream goes to the one after it
  bool doubted_ = false;  ///< an address was reported not to answer
  opening_cause lacked_ = opening_cause::no_port; ///< why the last stream had no local end
  session_claims claims_;
  unsigned home_ = 0;    ///< member::home of the next stream
  bool resumes_ = false; ///< the claims are of an earlier session, and were not answered so far
  std::vector<slot> slots_;
  std::vector<stream_number> alive_; ///< streams that are not gone yet
  stream_number latest_ = 0;
  restart_budget faults_{3, std::chrono::seconds{30}};
  std::optional<time_point> streamless_since_;
  std::optional<time_point> close_at_; ///< when the idle session ends, in turn with others
  profile wire_ = profile::native;     ///< dialect of the next stream
  bool guessing_ = false;    ///< a native SYN was refused, and the remote's dialect is unknown
  bool no_groups_ = false;   ///< the server gave no token
  std::uint16_t token_ = 0;  ///< with which further streams join the group of `leader_`; 0: none
  stream_number leader_ = 0; ///< the stream that opened the group, which ends with it
  std::optional<time_point> leader_asked_; ///< when the leader was last probed
  /// The stream whose outcome decides how the other slots are opened; they wait for it.
  stream_number pioneer_ = 0;
  /// Counts pioneers: streams of an earlier pioneer have another port at the upstream.
  std::uint32_t generation_ = 0;
  /// The path carries nothing: the session closes at this time, and the next datagram starts anew.
  std::optional<time_point> rests_until_;
  std::optional<time_point> turn_taken_; ///< of the tunnel's, for all streams that are tried then
  /// Since when nothing is carried, though tried; what that says is said at judged_at_.
  std::optional<time_point> dark_since_;
  std::optional<time_point> judged_at_;
  std::unique_ptr<opening_failure> evidence_; ///< of this time, or of just before it
  time_point evidence_at_{};                  ///< of the last ICMP
  stream_number speaker_ = 0;                 ///< who said what is no hello
  std::optional<time_point> reply_at_;        ///< then one should have come
  duration reply_wait_{};
  bool proven_ = false; ///< a stream's hello was answered
  bool other_key_ = false;
  bool closing_ = false;
  bool over_ = false;                 ///< failed or finished
  std::uint32_t told_limit_ = 65'535; ///< octets of the largest datagram that was told as too large
  bool told_no_reply_ = false;
  std::shared_ptr<fellows> fellows_; ///< of several native streams
};

} // namespace tonel::protocol
