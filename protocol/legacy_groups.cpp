#include "protocol/legacy_groups.hpp"

#include <algorithm>

namespace tonel::protocol {

namespace {

template <class Groups> auto with_token(Groups& groups, std::uint16_t token) {
  return std::find_if(groups.begin(), groups.end(),
                      [token](const legacy_group& g) { return g.token == token; });
}

} // namespace

bool legacy_groups::add(const ip_address& source, const legacy_group& group) {
  const auto found = by_address_.find(source);
  if (found != by_address_.end()) {
    if (const auto same = with_token(found->second, group.token); same != found->second.end()) {
      if (same->first_port != group.first_port) return false;
      *same = group;
      return true;
    }
    if (found->second.size() >= most_per_address) return false;
  }
  if (size_ >= most_) return false;
  by_address_[source].push_back(group);
  ++size_;
  return true;
}

void legacy_groups::remove(const ip_address& source, std::uint16_t token, std::uint64_t owner) {
  const auto found = by_address_.find(source);
  if (found == by_address_.end()) return;
  const auto group = with_token(found->second, token);
  if (group == found->second.end() || group->owner != owner) return;
  found->second.erase(group);
  --size_;
  if (found->second.empty()) by_address_.erase(found);
}

std::optional<legacy_group> legacy_groups::find(const ip_address& source,
                                                std::uint16_t token) const {
  const auto found = by_address_.find(source);
  if (found == by_address_.end()) return std::nullopt;
  const auto group = with_token(found->second, token);
  if (group == found->second.end()) return std::nullopt;
  return *group;
}

std::vector<legacy_group> legacy_groups::groups_of(const ip_address& source) const {
  const auto found = by_address_.find(source);
  return found == by_address_.end() ? std::vector<legacy_group>{} : found->second;
}

bool legacy_groups::has_most(const ip_address& source) const {
  const auto found = by_address_.find(source);
  return found != by_address_.end() && found->second.size() >= most_per_address;
}

guess_limit::standing legacy_groups::standing_of(const ip_address& source) const {
  const auto found = by_address_.find(source);
  if (found == by_address_.end()) return guess_limit::standing::none;
  const bool proven =
      std::any_of(found->second.begin(), found->second.end(),
                  [](const legacy_group& g) { return g.answers && g.answers->proven(); });
  return proven ? guess_limit::standing::proven : guess_limit::standing::has_group;
}

bool legacy_groups::rests(const ip_address& source, guess_kind kind, time_point now) const {
  return guesses_.rests(source, standing_of(source), kind, now);
}

} // namespace tonel::protocol
