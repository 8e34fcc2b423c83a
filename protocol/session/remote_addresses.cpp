#include "protocol/session/remote_addresses.hpp"

#include <algorithm>
#include <utility>

namespace tonel::protocol {

using namespace std::chrono_literals;

namespace {

// More are a pool, of which these will do.
constexpr std::size_t most_addresses = 16;
// Attempts fail by the hundred at once.
constexpr auto least_between_questions = 5s;
// Of a name that gives others each time, those that left among them.
constexpr std::size_t most_known = 64;
// After this an address that failed is as good as any; and what left is no longer in use.
constexpr auto memory = 10min;
/// Connection Attempt Delay (RFC 8305 §8: 250 ms recommended).
constexpr auto next_address_after = 250ms;

bool contains(const std::vector<endpoint>& all, const endpoint& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

} // namespace

std::vector<endpoint> with_families_in_turn(const std::vector<endpoint>& found) {
  std::vector<endpoint> first, second;
  for (const auto& e : found)
    (e.address.is_v6() == found.front().address.is_v6() ? first : second).push_back(e);
  std::vector<endpoint> out;
  out.reserve(found.size());
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) out.push_back(first[i]);
    if (i < second.size()) out.push_back(second[i]);
  }
  return out;
}

remote_addresses::entry* remote_addresses::find(const endpoint& at) noexcept {
  const auto found =
      std::find_if(all_.begin(), all_.end(), [&](const entry& e) { return e.at == at; });
  return found == all_.end() ? nullptr : &*found;
}

void remote_addresses::begin(time_point now) noexcept {
  asking_ = true;
  again_ = false;
  asked_at_ = now;
  due_.reset();
}

bool remote_addresses::ask(time_point now) {
  if (asking_) {
    again_ = true; // what is being answered may be of before
    return false;
  }
  if (!is_name_ && !order_.empty()) return false;
  begin(now);
  return true;
}

bool remote_addresses::on_timer(time_point now) {
  if (!due_ || *due_ > now) return false;
  begin(now);
  return true;
}

remote_addresses::change remote_addresses::resolved(const std::vector<endpoint>& found,
                                                    time_point now) {
  if (found.empty()) {
    unresolved(now);
    return change::none;
  }
  asking_ = false;
  wait_.reset();
  due_.reset();
  if (std::exchange(again_, false))
    due_ = now;
  else if (is_name_ && interval_ > duration::zero())
    due_ = now + interval_;
  std::vector<endpoint> fresh;
  for (const auto& e : found)
    if (fresh.size() < most_addresses && !contains(fresh, e)) fresh.push_back(e);
  bool others = false;
  for (const auto& e : fresh) {
    auto* known = find(e);
    if (known == nullptr) all_.push_back({e, {}, {}});
    others |= known == nullptr || known->left;
    if (known != nullptr) known->left.reset();
  }
  for (auto& e : all_) {
    if (e.left || contains(fresh, e.at)) continue;
    e.left = now;
    others = true;
  }
  all_.erase(std::remove_if(all_.begin(), all_.end(),
                            [now](const entry& e) { return e.left && now - *e.left >= memory; }),
             all_.end());
  while (all_.size() > most_known)
    all_.erase(std::find_if(all_.begin(), all_.end(), [](const entry& e) { return bool{e.left}; }));
  found_ = std::move(fresh);
  const auto sorted = sort(now);
  return others ? change::addresses : sorted;
}

void remote_addresses::unresolved(time_point now) {
  asking_ = false;
  due_ = std::exchange(again_, false) ? now : now + wait_.next();
}

remote_addresses::change remote_addresses::answered(const endpoint& at, time_point now) {
  auto* known = find(at);
  if (known == nullptr || known->left) return change::none;
  known->failed.reset();
  good_ = at;
  return sort(now);
}

remote_addresses::change remote_addresses::failed(const endpoint& at, time_point now) {
  if (is_name_ && !asking_) {
    const auto soonest = asked_at_ ? std::max(now, *asked_at_ + least_between_questions) : now;
    if (!due_ || *due_ > soonest) due_ = soonest;
  }
  auto* known = find(at);
  if (known == nullptr || known->left) return change::none;
  known->failed = now;
  return sort(now);
}

std::vector<endpoint> remote_addresses::in_use() const {
  auto out = order_;
  for (const auto& e : all_)
    if (e.left) out.push_back(e.at);
  return out;
}

remote_addresses::change remote_addresses::sort(time_point now) {
  auto sorted = with_families_in_turn(found_);
  const auto failed = [&](const endpoint& e) -> std::optional<time_point> {
    const auto at = find(e)->failed;
    return at && now - *at < memory ? at : std::nullopt;
  };
  // Of those that failed the first one to have done so is the first that may work again.
  std::stable_sort(sorted.begin(), sorted.end(), [&](const endpoint& a, const endpoint& b) {
    return failed(a).value_or(time_point::min()) < failed(b).value_or(time_point::min());
  });
  const auto good = good_ ? std::find(sorted.begin(), sorted.end(), *good_) : sorted.end();
  if (good != sorted.end() && !failed(*good)) std::rotate(sorted.begin(), good, good + 1);
  if (sorted == order_) return change::none;
  order_ = std::move(sorted);
  return change::order;
}

address_race::address_race(const std::vector<endpoint>& order, const endpoint& first,
                           time_point now)
    : all_{first}, tried_(1), due_(now + next_address_after) {
  const auto at = std::find(order.begin(), order.end(), first);
  const auto after = at == order.end() ? order.begin() : at + 1;
  for (auto e = after; e != order.end(); ++e)
    all_.push_back(*e);
  for (auto e = order.begin(); e != after; ++e)
    if (!(*e == first)) all_.push_back(*e);
}

std::optional<endpoint> address_race::next(time_point now) {
  if (tried_ == all_.size() || due_ > now) return std::nullopt;
  due_ = now + next_address_after;
  return all_[tried_++];
}

void address_race::renew(const std::vector<endpoint>& order, time_point now) {
  const auto tried = all_.begin() + static_cast<std::ptrdiff_t>(tried_);
  all_.erase(tried, all_.end());
  for (const auto& e : order)
    if (!contains(all_, e)) all_.push_back(e);
  if (tried_ < all_.size()) due_ = now;
}

std::optional<time_point> address_race::deadline() const noexcept {
  if (tried_ == all_.size()) return std::nullopt;
  return due_;
}

} // namespace tonel::protocol
