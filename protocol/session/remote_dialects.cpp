#include "protocol/session/remote_dialects.hpp"

#include <chrono>
#include <utility>

namespace tonel::protocol {

namespace {

// After this time a legacy server may have been replaced.
constexpr auto memory = std::chrono::minutes{10};

} // namespace

std::optional<profile> remote_dialects::legacy(const endpoint& remote, time_point now) const {
  const auto at = known_.find(remote);
  if (at == known_.end() || now - at->second.found >= memory) return std::nullopt;
  return at->second.older;
}

bool remote_dialects::was_native(const endpoint& remote) const {
  const auto at = known_.find(remote);
  return at != known_.end() && at->second.native;
}

void remote_dialects::saw_native(const endpoint& remote) {
  auto& e = known_[remote];
  e.native = true;
  e.older.reset();
}

bool remote_dialects::saw_legacy(const endpoint& remote, profile shown, time_point now) {
  auto& e = known_[remote];
  const bool known = e.older == shown && now - e.found < memory;
  e.older = shown;
  e.found = now;
  return !known;
}

void remote_dialects::forget_legacy(const endpoint& remote) {
  if (const auto at = known_.find(remote); at != known_.end()) at->second.older.reset();
}

bool remote_dialects::remark(const endpoint& remote) {
  return !std::exchange(known_[remote].remarked, true);
}

bool remote_dialects::remark_window(const endpoint& remote) {
  return !std::exchange(known_[remote].window_remarked, true);
}

} // namespace tonel::protocol
