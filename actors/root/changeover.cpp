#include "actors/root/changeover.hpp"

#include <chrono>

namespace tonel::actors {

namespace {

// How long new tunnels wait for their rules: a first packet without NAT spoils its connection.
constexpr auto rules_time = std::chrono::seconds{2};
// An unanswered FIN is repeated after 1, 2 and 4 s, and the stream forgotten at 8 s.
constexpr auto farewell_time = std::chrono::seconds{8};

} // namespace

void changeover::begin(protocol::time_point now) {
  switch_at_ = now + rules_time;
  leaving_until_.reset(); // set again at the switch
}

bool changeover::rules_tried(protocol::time_point now) {
  if (!switch_at_) return false;
  switch_at_.reset();
  if (!leaving_.ports.empty() || !leaving_.remotes.empty()) leaving_until_ = now + farewell_time;
  return true;
}

changeover::due changeover::on_timer(protocol::time_point now) {
  due out;
  if (leaving_until_ && *leaving_until_ <= now) {
    leaving_until_.reset();
    leaving_ = {};
    out.rules = true;
  }
  if (switch_at_ && *switch_at_ <= now) out.tunnels = rules_tried(now);
  return out;
}

std::optional<protocol::time_point> changeover::next_deadline() const {
  if (!switch_at_ || !leaving_until_) return switch_at_ ? switch_at_ : leaving_until_;
  return *switch_at_ < *leaving_until_ ? switch_at_ : leaving_until_;
}

} // namespace tonel::actors
