#include "protocol/native/stream.hpp"

#include <algorithm>

// A stream whose path is lost while its fellows' are not: told from a peer that is silent by what the
// other streams of its session are answered meanwhile, and so in well under a second.
namespace tonel::protocol::native {

namespace {

using namespace std::chrono_literals;

/// From the first datagram that nothing shows the arrival of to the first question.
constexpr duration first_look = 250ms;
constexpr duration between_questions = 100ms;
constexpr duration look_again = 50ms;
/// From the last question to the verdict; two round trips where these are longer.
constexpr duration least_wait = 150ms;
/// One lost packet in twenty, each way, takes all of three questions or their answers once in a
/// thousand times.
constexpr std::uint8_t enough = 3;
// One that is left out is asked on: its path may come back.
constexpr duration still_behind = 1s;
constexpr duration still_behind_at_most = 10s;

} // namespace

/// A datagram went out.
void stream::compare_later(time_point now) noexcept {
  if (timers_.is_set(timer::compare) || !greeted_) return;
  unproven_since_ = now;
  timers_.set(timer::compare, now + std::max(first_look, 2 * fellows_->trip));
}

/// The peer got what was sent: it acknowledges more, or answers a question. That it sends is not
/// enough, as one direction may be lost alone.
void stream::proven(time_point now) noexcept {
  fellows_->answered = now;
  timers_.clear(timer::compare);
  compared_times_ = 0;
  behind_ = false;
}

void stream::on_compare_timer(time_point now, effects& out) noexcept {
  if (!timers_.due(timer::compare, now)) return;
  if (!is_open()) {
    timers_.clear(timer::compare);
    return;
  }
  const auto& f = *fellows_;
  const auto waited = now - unproven_since_;
  // The first question is asked in any case: of one that lives, the answer is what the others are
  // measured by.
  const bool witness = compared_times_ == 0       ? true
                       : compared_times_ < enough ? f.answered > unproven_since_
                                                  : f.answered >= compared_at_ + f.trip;
  if (!witness) {
    // They are not answered either: what is silent is the peer, or all of the path, and not for this
    // rule.
    timers_.set(timer::compare, now + std::clamp(waited / 8, look_again, still_behind_at_most));
    return;
  }
  if (compared_times_ == enough && !behind_) {
    behind_ = true;
    go_silent(out);
  }
  if (compared_times_ == 0) compared_at_ = now;
  if (compared_times_ < enough) ++compared_times_;
  send_keepalive(now, out);
  if (behind_)
    timers_.set(timer::compare, now + std::clamp(waited / 8, std::max(still_behind, 2 * f.trip),
                                                 std::max(still_behind_at_most, 2 * f.trip)));
  else if (compared_times_ < enough)
    timers_.set(timer::compare, now + std::max(between_questions, f.trip));
  else
    timers_.set(timer::compare, now + std::max(least_wait, 2 * f.trip));
}

} // namespace tonel::protocol::native
