#include "actors/leave_order.hpp"

#include <chrono>
#include <utility>

namespace tonel::actors {

namespace {

// Looks for each session that is added: a session changes its place three times at most before it is
// proven, so that those in front are rarely where they do not belong.
constexpr int looks_at_addition = 4;
// Looks for one that is wanted. If all were in vain, the next to ask goes on from there.
constexpr int looks_at_most = 64;

// So long a source's own session is not held to be without an answer, if others have had theirs: it is
// the one that the upstream is about to answer.
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
                      std::shared_ptr<const session_use> use, protocol::time_point now) {
  const key at{rank_of(merit::unproven), now, session};
  const auto added =
      entries_.try_emplace(session, entry{source, std::move(use), now, merit::unproven, at});
  if (!added.second) return;
  tidy(all_, looks_at_addition, now);
  all_.insert(at);
  if (!source) return;
  auto& theirs = by_source_[source];
  tidy(theirs, looks_at_addition, now);
  theirs.insert(at);
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

bool leave_order::look(entry_map::value_type& each, protocol::time_point now) {
  auto& e = each.second;
  e.worth = merit_of(*e.use);
  auto since = e.use->last;
  // Where they go last they take turns at being looked at: one that was answered stands elsewhere.
  if (e.worth == merit::unproven) since = side_ == role::client ? now : e.born;
  const key now_at{rank_of(e.worth), since, each.first};
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

bool leave_order::look(line& all, line::iterator from, protocol::time_point now) {
  return from != all.end() && look(*entries_.find(std::get<id>(*from)), now);
}

void leave_order::tidy(line& all, int looks, protocol::time_point now) {
  const key unproven{rank_of(merit::unproven), protocol::time_point::min(), 0};
  // At the server they are in front.
  while (looks-- > 0 && look(all, all.lower_bound(unproven), now)) {
  }
}

std::optional<leave_order::candidate> leave_order::front(line& all, protocol::time_point now) {
  if (side_ == role::client) tidy(all, looks_at_most, now);
  for (int i = 0; i < looks_at_most && !all.empty(); ++i) {
    const auto session = std::get<id>(*all.begin());
    auto& each = *entries_.find(session);
    const bool moved = look(each, now);
    const auto& e = each.second;
    // A client's unproven ones move at each look.
    if (moved && !(side_ == role::client && e.worth == merit::unproven)) continue;
    return candidate{session, e.worth, e.worth == merit::unproven ? e.born : e.use->last};
  }
  return std::nullopt;
}

std::optional<leave_order::candidate> leave_order::first(protocol::time_point now) {
  return front(all_, now);
}

std::optional<leave_order::candidate> leave_order::first_of(const protocol::ip_address& source,
                                                            protocol::time_point now) {
  const auto theirs = by_source_.find(source);
  if (theirs == by_source_.end()) return std::nullopt;
  auto& all = theirs->second;
  const auto out = front(all, now);
  if (!out || out->worth != merit::unproven || now - out->since >= answer_time) return out;
  for (int i = 0; i < looks_at_most; ++i) {
    const auto next = all.lower_bound({rank_of(merit::one_shot), protocol::time_point::min(), 0});
    if (next == all.end()) break;
    auto& each = *entries_.find(std::get<id>(*next));
    if (!look(each, now)) return candidate{each.first, each.second.worth, each.second.use->last};
  }
  return out;
}

} // namespace tonel::actors
