#include "actors/shard/session_limits.hpp"

#include <utility>

namespace tonel::actors {

namespace {

constexpr std::size_t sources_a_site = 4;
constexpr unsigned site_bits = 48;

} // namespace

bool source_counts::take(const protocol::ip_address& address, std::size_t most) {
  const std::lock_guard lock{mutex_};
  const auto source = source_of(address);
  const auto known = counts_.find(source);
  if (known != counts_.end() ? known->second >= most : most == 0) return false;
  if (address.is_v6()) {
    auto& of_site = sites_[address.network(site_bits)];
    if (of_site / sources_a_site >= most) return false;
    ++of_site;
  }
  ++counts_[source];
  return true;
}

void source_counts::drop(count_map& counts, const protocol::ip_address& key) noexcept {
  const auto found = counts.find(key);
  if (found != counts.end() && --found->second == 0) counts.erase(found);
}

void source_counts::give_back(const protocol::ip_address& address) noexcept {
  const std::lock_guard lock{mutex_};
  drop(counts_, source_of(address));
  if (address.is_v6()) drop(sites_, address.network(site_bits));
}

session_limits::place::~place() {
  if (limits_ == nullptr) return;
  opened();
  --limits_->sessions_;
  if (limits_->leaving_ > 0) --limits_->leaving_;
  limits_->sources_->give_back(source_);
}

void session_limits::place::opened() noexcept {
  if (!std::exchange(opened_, true)) --limits_->opening_;
}

void session_limits::place::swap(place& other) noexcept {
  std::swap(limits_, other.limits_);
  std::swap(source_, other.source_);
  std::swap(opened_, other.opened_);
  std::swap(why_, other.why_);
}

session_limits::place session_limits::admit(const protocol::ip_address& source,
                                            protocol::time_point now) {
  if (sessions_ - leaving_ >= bounds_.sessions) return place{refusal::all};
  if (opening_ >= bounds_.opening) return place{refusal::opening};
  if (!sources_->take(source, bounds_.per_source)) return place{refusal::source};
  // Last, so that a source with too many does not use up the rate of others.
  if (!new_.take(now)) {
    sources_->give_back(source);
    return place{refusal::rate};
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
  why_ = refusal::none;
  if (streams_ >= most_)
    why_ = refusal::all;
  else if (!sources_.take(source, per_source_))
    why_ = refusal::source;
  if (why_ != refusal::none) return nullptr;
  if (!new_.take(now)) {
    sources_.give_back(source);
    why_ = refusal::rate;
    return nullptr;
  }
  return std::make_shared<const place>(*this, source);
}

} // namespace tonel::actors
