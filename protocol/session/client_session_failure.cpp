#include "protocol/session/client_session.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

// What a session can tell of why nothing gets through. It says so after some seconds, in which a server
// that starts again is back, or at once where more time would tell no more.
namespace tonel::protocol {

using namespace std::chrono_literals;

namespace {

// SYNs are repeated after 1 and 3 s, a hello after 250 ms, 1 and 2 s.
constexpr duration opening_patience = 4s;
// What falls silent has had no answer for at least this long.
constexpr duration least_silence = 2s;
// ICMP about the segments of a stream that then falls silent, which takes it 7 s at most.
constexpr duration evidence_age = 10s;
// Nearly all applications get an answer within a round trip.
constexpr duration reply_patience = 4s;
constexpr duration most_reply_wait = 64s;

} // namespace

bool client_session::carries() const {
  return std::any_of(slots_.begin(), slots_.end(), [](const slot& s) {
    return s.open && s.current && s.current.greeted && !s.silent;
  });
}

/// An attempt begins, or would, and nothing is carried.
void client_session::darken() {
  if (dark_since_ || carries()) return;
  const bool fell_silent = std::any_of(slots_.begin(), slots_.end(), [](const slot& s) {
    return s.current && s.current.greeted && s.silent;
  });
  dark_since_ = now_ - (fell_silent ? least_silence : duration::zero());
  judged_at_ = *dark_since_ + opening_patience;
  if (now_ - evidence_at_ > evidence_age) evidence_.reset();
}

void client_session::lighten() {
  if (!dark_since_ || !carries()) return;
  dark_since_.reset();
  judged_at_.reset();
  evidence_.reset();
  if (!other_key_) out_.emplace_back(opening_worked{});
}

opening_failure& client_session::evidence() {
  if (!evidence_) {
    evidence_ = std::make_unique<opening_failure>();
    evidence_->cause = opening_cause::count_;
  }
  return *evidence_;
}

void client_session::note_evidence(const stream_report& report) {
  const auto& shown = report.shows;
  if (report.what == stream_report::kind::strange) {
    if (!dark_since_) return;
    auto& known = evidence();
    known.said = shown.said;
    known.said_size = shown.said_size;
    speaker_ = report.stream;
  } else if (report.what == stream_report::kind::undelivered) {
    evidence_at_ = now_;
    auto& known = evidence();
    known.icmp = shown.icmp;
    known.from = shown.from;
    known.here = shown.here;
  }
}

opening_failure client_session::failure_of(opening_cause cause) const {
  auto out = evidence_ ? *evidence_ : opening_failure{};
  out.cause = cause;
  if (remote_) {
    out.remote = *remote_;
    out.was_native = from_.remotes().was_native(*remote_);
  }
  if (cause != opening_cause::older_dialect) out.wire = config_.wire.value_or(profile::native);
  return out;
}

void client_session::attempt_failed(opening_cause cause, bool at_once) {
  if (!dark_since_ || closing_) return;
  evidence().cause = cause;
  if (at_once || now_ - *dark_since_ >= opening_patience)
    out_.emplace_back(opening_failed{failure_of(cause)});
}

/// m: what was opened for it, and has not been greeted
void client_session::attempt_failed(const member& m, end_reason why) {
  using cause = opening_cause;
  const bool spoke = evidence_ && evidence_->said_size != 0 && speaker_ == m.stream;
  switch (why) {
  case end_reason::refused: return attempt_failed(cause::refused);
  case end_reason::path_ends_tcp: return attempt_failed(cause::path_ends_tcp, true);
  case end_reason::timed_out:
    if (m.opened) return attempt_failed(spoke ? cause::not_tonel : cause::mute, spoke);
    if (!evidence_ || !evidence_->from) return attempt_failed(cause::no_answer);
    return attempt_failed(evidence_->here && evidence_->icmp == unreachable_kind::network
                              ? cause::no_route
                              : cause::unreachable);
  case end_reason::reset:
    return attempt_failed(spoke ? cause::not_tonel : cause::reset_at_hello, spoke);
  case end_reason::closed_by_peer:
    return attempt_failed(spoke ? cause::not_tonel : cause::hung_up, spoke);
  case end_reason::closed_by_us:
  case end_reason::dead:
  case end_reason::superseded: return; // nothing that the other end did
  }
}

/// The time in which a stream should have been opened is over.
void client_session::on_opening_time() {
  judged_at_.reset();
  if (!remote_) return attempt_failed(opening_cause::unresolved);
  const auto known = evidence_ ? evidence_->cause : opening_cause::count_;
  if (latest_ == 0 && known == opening_cause::count_) return; // it waits for its turn
  for (const auto& s : slots_)
    for (const auto* m : {&s.current, &s.next})
      if (*m && m->opened && !m->greeted) return attempt_failed(*m, end_reason::timed_out);
  // Those that have failed say more than one that is under way.
  if (known != opening_cause::count_) return attempt_failed(known);
  attempt_failed(member{}, end_reason::timed_out);
}

/// Whether what arrives at either end is what was sent.
void client_session::judge_key(const stream_report& report) {
  other_key_ = report.wire == profile::native &&
               names_other_key(report.capabilities, claims_.secret(), config_.key_mark);
  if (other_key_) out_.emplace_back(opening_failed{failure_of(opening_cause::other_key)});
}

/// The first datagrams that go through a tunnel are looked after.
void client_session::await_reply() {
  if (reply_at_ || other_key_ || !from_.awaits_reply()) return;
  reply_wait_ = reply_patience;
  reply_at_ = now_ + reply_wait_;
}

void client_session::on_reply_time() {
  reply_at_.reset();
  if (from_.had_reply()) {
    out_.emplace_back(reply_came{});
    return;
  }
  if (closing_ || !from_.awaits_reply()) return; // another's was answered
  if (from_.has_sent() && carries() && !std::exchange(told_no_reply_, true))
    out_.emplace_back(opening_failed{failure_of(opening_cause::no_reply)});
  reply_wait_ = std::min(most_reply_wait, 2 * reply_wait_);
  reply_at_ = now_ + reply_wait_;
}

} // namespace tonel::protocol
