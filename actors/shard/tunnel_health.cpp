#include "actors/shard/tunnel_health.hpp"

#include "actors/runtime/log.hpp"
#include "actors/shard/opening_words.hpp"

namespace tonel::actors {

namespace {

void log_news(const tunnel_config& tunnel, const protocol::tunnel_news& news) {
  if (news.works)
    log_info(label(tunnel), words_of_end(news.failure, tunnel, news.lasted));
  else if (news.once_more)
    log_warn(label(tunnel), words_of(news.failure, tunnel), " (for ", length_text(news.lasted),
             " now)");
  else
    log_warn(label(tunnel), words_of(news.failure, tunnel));
}

} // namespace

/// What the record makes of `what`, with the flags that are read without the lock.
template <class Change>
std::optional<protocol::tunnel_news> tunnel_health::change(const Change& what) {
  const std::lock_guard lock{mutex_};
  auto news = what(record_);
  in_trouble_.store(record_.in_trouble(), std::memory_order_relaxed);
  awaits_reply_.store(!record_.had_reply(), std::memory_order_relaxed);
  return news;
}

void tunnel_health::failed(const tunnel_config& tunnel, const protocol::opening_failure& what,
                           protocol::time_point now) {
  if (const auto news = change([&](auto& record) { return record.failed(what, now); }))
    log_news(tunnel, *news);
}

void tunnel_health::remark(const tunnel_config& tunnel, const protocol::opening_failure& what,
                           protocol::time_point now) {
  if (const auto news = change([&](auto& record) { return record.remark(what, now); }))
    log_news(tunnel, *news);
}

bool tunnel_health::opened(const tunnel_config& tunnel, protocol::time_point now) {
  bool ends = false;
  const auto news = change([&](auto& record) {
    ends = record.is_failing();
    return record.opened(now);
  });
  if (news) log_news(tunnel, *news);
  return ends;
}

void tunnel_health::carries(bool now_does) {
  const std::lock_guard lock{mutex_};
  record_.carries(now_does);
}

void tunnel_health::replied(const tunnel_config& tunnel, protocol::time_point now) {
  if (const auto news = change([&](auto& record) { return record.replied(now); }))
    log_news(tunnel, *news);
}

void tunnel_health::unresolved(protocol::time_point now) {
  protocol::opening_failure what;
  what.cause = protocol::opening_cause::unresolved;
  change([&](auto& record) { return record.failed(what, now); });
}

void tunnel_health::resolved(protocol::time_point now) {
  change([&](auto& record) { return record.over(protocol::opening_cause::unresolved, now); });
}

bool tunnel_health::take_turn(protocol::time_point now) {
  if (!in_trouble()) return true;
  const std::lock_guard lock{mutex_};
  return record_.take_turn(now);
}

bool tunnel_health::has_turn(protocol::time_point now) const {
  if (!in_trouble()) return true;
  const std::lock_guard lock{mutex_};
  return record_.has_turn(now);
}

protocol::time_point tunnel_health::next_turn() const {
  const std::lock_guard lock{mutex_};
  return record_.next_turn();
}

tunnel_summary tunnel_health::summary(const tunnel_config& tunnel, protocol::time_point now) const {
  const std::lock_guard lock{mutex_};
  const auto state = record_.state(now);
  tunnel_summary out;
  out.name = tunnel.name;
  out.state = protocol::to_string(state);
  const bool kept_out = record_.keeps_others_out(now);
  if (state != protocol::tunnel_state::failing && state != protocol::tunnel_state::unanswered &&
      !kept_out)
    return out;
  const auto& failure = record_.failure();
  if (kept_out)
    out.words = "sessions that were open before go on, others do not open: ";
  else
    out.cause = protocol::to_string(failure.cause);
  out.words += words_of(failure, tunnel);
  out.lasted = record_.lasted(now);
  return out;
}

} // namespace tonel::actors
