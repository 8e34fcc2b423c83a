#include "actors/runtime/coalescing.hpp"

namespace tonel::actors {

namespace {

// The weight of a new sample in the average.
constexpr float weight = 0.125f;
// The factor by which a rest has to find more: its timer costs about as much as a pass. A lower one
// delays a light session beside a full one for nothing; with 4, bursts of 4 are read one by one.
constexpr float worth = 2;

} // namespace

void coalescing::estimate::add(std::size_t datagrams) noexcept {
  const auto sample = static_cast<float>(datagrams);
  found = known ? found + weight * (sample - found) : sample;
  known = true;
}

protocol::duration coalescing::after_pass(std::size_t found) noexcept {
  if (most_ == protocol::duration::zero()) return most_;
  // A pass without datagrams had another cause: a timer or a message.
  if (awaited_ != nullptr && found > 0) awaited_->add(found);
  awaited_ = nullptr;
  auto& h = habits_[resting_ ? 1 : 0];
  resting_ = false;
  if (found <= 1) return protocol::duration::zero();
  resting_ = choose(h);
  awaited_ = resting_ ? &h.with_rest : &h.without;
  return resting_ ? most_ : protocol::duration::zero();
}

bool coalescing::choose(habit& h) noexcept {
  if (!h.with_rest.known) return true;
  if (!h.without.known) return false;
  const bool better = h.with_rest.found >= worth * h.without.found;
  if (--h.until_trial > 0) return better;
  h.until_trial = trial_interval;
  return !better;
}

void coalescing::rested_in_vain() noexcept {
  if (awaited_ != nullptr) awaited_->add(0);
  awaited_ = nullptr;
  resting_ = false;
}

} // namespace tonel::actors
