#include "actors/session_limits.hpp"

#include <algorithm>
#include <utility>

namespace tonel::actors {

bool source_counts::less::operator()(const protocol::ip_address& a,
                                     const protocol::ip_address& b) const noexcept {
  // An IPv4 address is 4 octets and zeros, which an IPv6 address may be, too.
  if (a.is_v4() != b.is_v4()) return a.is_v4();
  return std::lexicographical_compare(a.data(), a.data() + a.size(), b.data(), b.data() + b.size());
}

bool source_counts::take(const protocol::ip_address& source, std::size_t most) {
  const std::lock_guard lock{mutex_};
  auto& count = counts_[source];
  if (count >= most) return false;
  ++count;
  return true;
}

void source_counts::give_back(const protocol::ip_address& source) noexcept {
  const std::lock_guard lock{mutex_};
  const auto found = counts_.find(source);
  if (found != counts_.end() && --found->second == 0) counts_.erase(found);
}

session_limits::place::~place() {
  if (limits_ == nullptr) return;
  opened();
  --limits_->sessions_;
  limits_->sources_->give_back(source_);
}

void session_limits::place::opened() noexcept {
  if (!std::exchange(opened_, true)) --limits_->opening_;
}

void session_limits::place::swap(place& other) noexcept {
  std::swap(limits_, other.limits_);
  std::swap(source_, other.source_);
  std::swap(opened_, other.opened_);
}

session_limits::place session_limits::admit(const protocol::ip_address& source,
                                            protocol::time_point now) {
  if (sessions_ >= bounds_.sessions || opening_ >= bounds_.opening) return {};
  if (!sources_->take(source, bounds_.per_source)) return {};
  // Last, so that a source that has too many uses up nothing of the others'.
  if (!new_.take(now)) {
    sources_->give_back(source);
    return {};
  }
  ++sessions_;
  ++opening_;
  return {*this, source};
}

class stream_limits::place {
public:
  place(stream_limits& l, const protocol::ip_address& source) : limits_(l), source_(source) {
    ++limits_.streams_;
  }
  place(const place&) = delete;
  place& operator=(const place&) = delete;
  ~place() {
    --limits_.streams_;
    limits_.sources_.give_back(source_);
  }

private:
  stream_limits& limits_;
  protocol::ip_address source_;
};

stream_limits::lease stream_limits::admit(const protocol::ip_address& source,
                                          protocol::time_point now) {
  if (streams_ >= most_ || !sources_.take(source, per_source_)) return nullptr;
  if (!new_.take(now)) {
    sources_.give_back(source);
    return nullptr;
  }
  return std::make_shared<const place>(*this, source);
}

} // namespace tonel::actors
