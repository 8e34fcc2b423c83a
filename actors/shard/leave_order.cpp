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
  const key at{rank_of(merit::unproven), now, session};
  use->session = session;
  use->answered = answered_;
  if (!entries_.try_emplace(session, entry{source, std::move(use), now, at}).second) return;
  all_.insert(at);
  if (source) by_source_[source].insert(at);
}

void leave_order::remove(id session) noexcept {
  const auto found = entries_.find(session);
  if (found == entries_.end()) return;
  all_.erase(found->second.at);
  if (const auto theirs = by_source_.find(found->second.source); theirs != by_source_.end()) {
    theirs->second.erase(found->second.at);
    if (theirs->second.empty()) by_source_.erase(theirs);
  }
  entries_.erase(found);
}

bool leave_order::look(entry_map::value_type& each) {
  auto& e = each.second;
  const auto worth = merit_of(*e.use);
  const key now_at{rank_of(worth), worth == merit::unproven ? e.born : e.use->last, each.first};
  if (now_at == e.at) return false;
  const auto move_in = [&](line& all) {
    all.erase(e.at);
    all.insert(now_at);
  };
  move_in(all_);
  if (e.source) move_in(by_source_[e.source]);
  e.at = now_at;
  return true;
}

void leave_order::hear() {
  for (const auto session : *answered_)
    if (const auto found = entries_.find(session); found != entries_.end()) look(*found);
  answered_->clear();
}

leave_order::candidate leave_order::candidate_of(const entry_map::value_type& each) const noexcept {
  const auto& e = each.second;
  const auto worth = merit_of(*e.use);
  return {each.first, worth, worth == merit::unproven ? e.born : e.use->last};
}

std::optional<leave_order::candidate> leave_order::front(line& all, merit from) {
  hear();
  for (int i = 0; i < looks_at_most; ++i) {
    const auto first = all.lower_bound({rank_of(from), protocol::time_point::min(), 0});
    if (first == all.end()) break;
    auto& each = *entries_.find(std::get<id>(*first));
    if (!look(each)) return candidate_of(each);
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
