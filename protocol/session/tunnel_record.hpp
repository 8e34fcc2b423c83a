#pragma once

#include "protocol/session/backoff.hpp"
#include "protocol/session/opening_failure.hpp"
#include "protocol/time.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

namespace tonel::protocol {

/// How a tunnel is doing.
enum class tunnel_state : std::uint8_t {
  untried,    ///< nobody wants it
  works,      ///< what was opened last is open, or was
  unanswered, ///< it opens, and no datagram has ever come back
  failing,    ///< nothing gets through
};
/// The enumerator's name: "works".
const char* to_string(tunnel_state s) noexcept;

/// Something for the log.
struct tunnel_news {
  bool works = false;      ///< again; else it is failing
  bool once_more = false;  ///< it was said before, and it is still so
  opening_failure failure; ///< works: what it was
  duration lasted{};       ///< how long nothing has got through
};

/// What the sessions of one tunnel have met, as one value: says what is worth a line in the log, and when
/// the next attempt may be made while nobody answers.
/// Shape:  a line for each cause, at once; once more where it is still so an hour later; one line when it
///         works again. Where sessions fail and open in turn, no more than a pair of lines a minute
/// Thread: none of its own; the shell guards it where several shards share it
class tunnel_record {
public:
  /// A session has tried in vain for some seconds, or again.
  std::optional<tunnel_news> failed(const opening_failure& what, time_point now);
  /// Something that says nothing of the tunnel, as of a stranger who may have come to a server.
  std::optional<tunnel_news> remark(const opening_failure& what, time_point now);
  /// A session has been opened.
  std::optional<tunnel_news> opened(time_point now);
  /// A session has begun to carry datagrams, or carries none any more. While any does, the tunnel works,
  /// whatever others meet.
  void carries(bool now_does) noexcept { carrying_ += now_does ? 1 : -1; }
  /// What it failed for last is no more; where that was something else, nothing is.
  std::optional<tunnel_news> over(opening_cause cause, time_point now);
  /// A datagram has come back.
  std::optional<tunnel_news> replied(time_point now);

  /// A session that has carried nothing yet may try now; then the next one waits its turn: a second at
  /// first and twice as long each time, 30 s at most, from the first failure on until one opens.
  [[nodiscard]] bool take_turn(time_point now);
  /// Likewise, but the turn stays another's.
  bool has_turn(time_point now) const noexcept { return !since_ || now >= next_turn_; }
  time_point next_turn() const noexcept { return next_turn_; }
  bool had_reply() const noexcept { return had_reply_; }
  /// Nothing has been opened since somebody tried.
  bool is_failing() const noexcept { return since_.has_value(); }
  /// Likewise, or no datagram comes back.
  bool in_trouble() const noexcept { return since_ || no_reply_since_; }

  tunnel_state state(time_point now) const noexcept;
  /// It works for sessions that were open before, and others have failed since.
  bool keeps_others_out(time_point now) const noexcept;
  /// The last one, where the state is failing or unanswered, or others are kept out.
  const opening_failure& failure() const noexcept;
  /// For how long that has been so.
  duration lasted(time_point now) const noexcept;

private:
  /// What has failed is the tunnel's state: no session carries datagrams, or all by another key.
  bool counts() const noexcept {
    return since_ && (carrying_ == 0 || last_.cause == opening_cause::other_key);
  }
  /// It is the last failure that is told, not that no datagram comes back.
  bool tells_last() const noexcept { return counts() || !no_reply_since_; }
  bool is_due(const std::optional<time_point>& said, time_point now) const noexcept;

  std::array<std::optional<time_point>, opening_causes> said_;
  opening_failure last_;                     ///< other than no_reply
  std::optional<time_point> since_;          ///< nothing has been opened since, though tried
  std::optional<time_point> failed_at_;      ///< the last failure
  std::optional<time_point> no_reply_since_; ///< and nothing has come back
  opening_failure no_reply_;
  std::int64_t carrying_ = 0; ///< sessions
  bool restless_ = false;     ///< it failed a moment before it opened last
  bool told_ = false;         ///< that it fails; to be followed by the end of that
  bool was_open_ = false, had_reply_ = false;
  time_point next_turn_{};
  backoff wait_{std::chrono::seconds{1}, std::chrono::seconds{2}, std::chrono::seconds{30}};
};

} // namespace tonel::protocol
