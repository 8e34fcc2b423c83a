#include "actors/shard/leave_order.hpp"

#include <chrono>
#include <utility>

namespace tonel::actors {

namespace {

// The most looks in one call. If all are in vain, the next call goes on from there.
constexpr int looks_at_most = 64;

// Within this time a session of a source with answered sessions is not considered unanswered: the
// upstream may be about to answer it.
constexpr auto answer_time = std::chrono::seconds{1};

} // namespace

leave_order::merit leave_order::merit_of(const session_use& use) noexcept {
  if (use.sent == 0 || use.got == 0) return merit::unproven;
  return use.sent == 1 && use.got == 1 ? merit::one_shot : merit::proven;
}

std::uint8_t leave_order::rank_of(merit worth) const noexcept {
  if (side_ == role::client && worth == merit::unproven) return 3;
  return static_cast<std::uint8_t>(worth);
}

void leave_order::add(id session, const protocol::ip_address& source,
                      std::shared_ptr<session_use> use, protocol::time_point now) {
  hear();
  const auto [at, is_new] = entries_.try_emplace(session);
  if (!is_new) return;
  auto& e = at->second;
  e.session = session;
  e.source = source;
  e.born = e.since = now;
  e.rank = rank_of(merit::unproven);
  e.use = std::move(use);
  e.use->session = session;
  e.use->answered = answered_;
  all_.insert(e);
  if (source) by_source_[source].insert(e);
}

void leave_order::remove(id session) noexcept {
  const auto found = entries_.find(session);
  if (found == entries_.end()) return;
  auto& e = found->second;
  all_.erase(all_.iterator_to(e));
  if (const auto theirs = by_source_.find(e.source); theirs != by_source_.end()) {
    theirs->second.erase(theirs->second.iterator_to(e));
    if (theirs->second.empty()) by_source_.erase(theirs);
  }
  entries_.erase(found);
}

bool leave_order::look(entry& e) {
  const auto worth = merit_of(*e.use);
  const key now_at{rank_of(worth), worth == merit::unproven ? e.born : e.use->last, e.session};
  if (now_at == e.at()) return false;
  auto* const theirs = e.source ? &by_source_[e.source] : nullptr;
  all_.erase(all_.iterator_to(e));
  if (theirs != nullptr) theirs->erase(theirs->iterator_to(e));
  e.rank = std::get<std::uint8_t>(now_at);
  e.since = std::get<protocol::time_point>(now_at);
  all_.insert(e);
  if (theirs != nullptr) theirs->insert(e);
  return true;
}

void leave_order::hear() {
  for (const auto session : *answered_)
    if (const auto found = entries_.find(session); found != entries_.end()) look(found->second);
  answered_->clear();
}

leave_order::candidate leave_order::candidate_of(const entry& e) noexcept {
  const auto worth = merit_of(*e.use);
  return {e.session, worth, worth == merit::unproven ? e.born : e.use->last};
}

template <class Line>
std::optional<leave_order::candidate> leave_order::front(line<Line>& all, merit from) {
  hear();
  for (int i = 0; i < looks_at_most; ++i) {
    const auto first =
        all.lower_bound(key{rank_of(from), protocol::time_point::min(), 0}, goes_first{});
    if (first == all.end()) break;
    if (!look(*first)) return candidate_of(*first);
  }
  return std::nullopt;
}

std::optional<leave_order::candidate> leave_order::first() {
  return front(all_, side_ == role::client ? merit::one_shot : merit::unproven);
}

std::optional<leave_order::candidate> leave_order::first_of(const protocol::ip_address& source,
                                                            protocol::time_point now) {
  const auto theirs = by_source_.find(source);
  if (theirs == by_source_.end()) return std::nullopt;
  const auto out = front(theirs->second, merit::unproven);
  if (!out || out->worth != merit::unproven || now - out->since >= answer_time) return out;
  const auto other = front(theirs->second, merit::one_shot);
  return other ? other : out;
}

} // namespace tonel::actors
