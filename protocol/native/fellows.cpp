#include "protocol/native/stream.hpp"

#include <algorithm>

// Finds a stream whose path is lost while its fellows' paths work, in well under a second: if the
// other streams of the session are answered meanwhile, the peer is not merely silent.
namespace tonel::protocol::native {

namespace {

using namespace std::chrono_literals;

/// From the first unproven datagram to the first question.
constexpr duration first_look = 250ms;
constexpr duration between_questions = 100ms;
constexpr duration look_again = 50ms;
/// From the last question to the verdict, or two round trips if these are longer.
constexpr duration least_wait = 150ms;
/// Questions before the verdict: if one packet in twenty is lost each way, all three questions or
/// their answers are lost once in a thousand times.
constexpr std::uint8_t enough = 3;
// A stream that is left out is still asked, since its path may come back.
constexpr duration still_behind = 1s;
constexpr duration still_behind_at_most = 10s;

} // namespace

/// A datagram was sent: its arrival has to be proven.
void stream::compare_later(time_point now) noexcept {
  if (timers_.is_set(timer::compare) || !greeted_) return;
  comparison_->unproven_since = now;
  timers_.set(timer::compare, now + std::max(first_look, 2 * comparison_->fellows->trip));
}

/// The peer has proven that it receives: it acknowledges more, or answers a question. Segments of
/// the peer alone prove nothing, since only one direction may be lost.
void stream::proven(time_point now) noexcept {
  comparison_->fellows->answered = now;
  timers_.clear(timer::compare);
  comparison_->questions = 0;
  behind_ = false;
}

void stream::on_compare_timer(time_point now, effects& out) noexcept {
  if (!timers_.due(timer::compare, now)) return;
  if (!is_open()) {
    timers_.clear(timer::compare);
    return;
  }
  auto& c = *comparison_;
  const auto& f = *c.fellows;
  const auto waited = now - c.unproven_since;
  // The first question is asked in any case: if this stream is answered, its fellows can be
  // compared with it.
  const bool witness = c.questions == 0       ? true
                       : c.questions < enough ? f.answered > c.unproven_since
                                              : f.answered >= c.asked_first + f.trip;
  if (!witness) {
    // The fellows are not answered either: the peer or the whole path is silent, which other timers
    // notice.
    timers_.set(timer::compare, now + std::clamp(waited / 8, look_again, still_behind_at_most));
    return;
  }
  if (c.questions == enough && !behind_) {
    behind_ = true;
    go_silent(out);
  }
  if (c.questions == 0) c.asked_first = now;
  if (c.questions < enough) ++c.questions;
  send_keepalive(now, out);
  if (behind_)
    timers_.set(timer::compare, now + std::clamp(waited / 8, std::max(still_behind, 2 * f.trip),
                                                 std::max(still_behind_at_most, 2 * f.trip)));
  else if (c.questions < enough)
    timers_.set(timer::compare, now + std::max(between_questions, f.trip));
  else
    timers_.set(timer::compare, now + std::max(least_wait, 2 * f.trip));
}

} // namespace tonel::protocol::native
