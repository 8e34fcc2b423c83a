#include "actors/session_limits.hpp"

#include <chrono>

namespace tonel::actors {

bool session_limits::admit(const protocol::ip_address& source, protocol::time_point now) {
  if (now - second_ >= std::chrono::seconds{1}) {
    second_ = now;
    this_second_ = 0;
  }
  if (sessions_ >= bounds_.sessions || opening_ >= bounds_.opening ||
      this_second_ >= bounds_.per_second)
    return false;
  auto& of_source = by_source_[source];
  if (of_source >= bounds_.per_source) return false;
  ++of_source;
  ++sessions_;
  ++opening_;
  ++this_second_;
  return true;
}

void session_limits::closed(const protocol::ip_address& source, bool was_opened) {
  --sessions_;
  if (!was_opened) --opening_;
  const auto found = by_source_.find(source);
  if (found != by_source_.end() && --found->second == 0) by_source_.erase(found);
}

} // namespace tonel::actors
