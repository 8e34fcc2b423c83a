#include "actors/session_limits.hpp"

namespace tonel::actors {

bool session_limits::admit(const protocol::ip_address& source, protocol::time_point now) {
  if (sessions_ >= bounds_.sessions || opening_ >= bounds_.opening) return false;
  const auto of_source = by_source_.find(source);
  if (of_source != by_source_.end() && of_source->second >= bounds_.per_source) return false;
  // Last, so that a source that has too many uses up nothing of the others'.
  if (!new_.take(now)) return false;
  ++by_source_[source];
  ++sessions_;
  ++opening_;
  return true;
}

void session_limits::closed(const protocol::ip_address& source, bool was_opened) {
  --sessions_;
  if (!was_opened) --opening_;
  const auto found = by_source_.find(source);
  if (found != by_source_.end() && --found->second == 0) by_source_.erase(found);
}

} // namespace tonel::actors
