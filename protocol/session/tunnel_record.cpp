#include "protocol/session/tunnel_record.hpp"

#include <utility>

namespace tonel::protocol {

using namespace std::chrono_literals;

namespace {

// Who has not heard of it by then has lost the line.
constexpr auto repeat_interval = 1h;
// What fails again this soon after it opened is the same trouble, until it has lasted as long.
constexpr auto restless_time = 1min;
// Attempts follow each other within 30 s, and take as long: without any since, nobody wants the tunnel.
constexpr auto wanted_time = 65s;

} // namespace

const char* to_string(tunnel_state s) noexcept {
  switch (s) {
  case tunnel_state::untried: return "untried";
  case tunnel_state::works: return "works";
  case tunnel_state::unanswered: return "unanswered";
  case tunnel_state::failing: return "failing";
  }
  return "";
}

/// Of a cause that was said then, if ever.
bool tunnel_record::is_due(const std::optional<time_point>& said, time_point now) const noexcept {
  if (!said || now - *said >= repeat_interval) return true;
  if (*said >= *since_) return false;
  return !restless_ || now - *since_ >= restless_time;
}

std::optional<tunnel_news> tunnel_record::failed(const opening_failure& what, time_point now) {
  auto& said = said_[static_cast<std::size_t>(what.cause)];
  tunnel_news news;
  news.failure = what;
  if (what.cause == opening_cause::no_reply) {
    if (had_reply_) return std::nullopt; // it is this session's alone
    no_reply_ = what;
    if (!no_reply_since_) no_reply_since_ = now;
    if (said) return std::nullopt; // who expects no answer has heard it once
    said = now;
    return news;
  }
  if (!since_) {
    since_ = now;
    restless_ = failed_at_ && now - *failed_at_ < restless_time;
    if (keeps_from_opening(what.cause)) next_turn_ = now + wait_.next();
  }
  last_ = what;
  failed_at_ = now;
  if (!is_due(said, now)) return std::nullopt;
  news.once_more = said && *said >= *since_;
  news.lasted = now - *since_;
  said = now;
  told_ = true;
  return news;
}

std::optional<tunnel_news> tunnel_record::remark(const opening_failure& what, time_point now) {
  auto& said = said_[static_cast<std::size_t>(what.cause)];
  if (said && now - *said < repeat_interval) return std::nullopt;
  said = now;
  tunnel_news news;
  news.failure = what;
  return news;
}

std::optional<tunnel_news> tunnel_record::opened(time_point now) {
  was_open_ = true;
  if (!since_) return std::nullopt;
  tunnel_news news;
  news.works = true;
  news.failure = last_;
  news.lasted = now - *std::exchange(since_, std::nullopt);
  wait_.reset();
  if (!std::exchange(told_, false)) return std::nullopt;
  return news;
}

std::optional<tunnel_news> tunnel_record::over(opening_cause cause, time_point now) {
  return since_ && last_.cause == cause ? opened(now) : std::nullopt;
}

std::optional<tunnel_news> tunnel_record::replied(time_point now) {
  was_open_ = had_reply_ = true;
  for (const auto cause : {opening_cause::upstream_refused, opening_cause::upstream_unreachable})
    if (auto news = over(cause, now)) return news;
  if (!no_reply_since_) return std::nullopt;
  tunnel_news news;
  news.works = true;
  news.failure = no_reply_;
  news.lasted = now - *std::exchange(no_reply_since_, std::nullopt);
  return news;
}

bool tunnel_record::take_turn(time_point now) {
  if (!has_turn(now)) return false;
  if (since_ && keeps_from_opening(last_.cause)) next_turn_ = now + wait_.next();
  return true;
}

tunnel_state tunnel_record::state(time_point now) const noexcept {
  // Streams that are open stay so, with another key or not, and nobody tries again.
  const bool lasts = last_.cause == opening_cause::other_key;
  if (counts() && (lasts || now - *failed_at_ <= wanted_time)) return tunnel_state::failing;
  if (counts() || !was_open_) return tunnel_state::untried;
  return no_reply_since_ ? tunnel_state::unanswered : tunnel_state::works;
}

bool tunnel_record::keeps_others_out(time_point now) const noexcept {
  return state(now) == tunnel_state::works && since_ && now - *failed_at_ <= wanted_time;
}

const opening_failure& tunnel_record::failure() const noexcept {
  return tells_last() ? last_ : no_reply_;
}

duration tunnel_record::lasted(time_point now) const noexcept {
  const auto& from = tells_last() ? since_ : no_reply_since_;
  return from ? now - *from : duration::zero();
}

} // namespace tonel::protocol
