#include "protocol/flow/closing.hpp"

#include <array>

namespace tonel::protocol::flow {

namespace {

using namespace std::chrono_literals;

// Repeats of the FIN, counted from the first; the last time ends the wait for its answer.
constexpr std::array<duration, 4> fin_schedule{1s, 2s, 4s, 8s};
constexpr std::array<duration, 2> exit_schedule{500ms, 1500ms};
constexpr auto reset_interval = 100ms;

} // namespace

void closing::close(time_point now, bool at_exit) noexcept {
  at_exit_ = at_exit;
  stage_ = stage::fin_sent;
  start_fin(now);
}

closing::act closing::on_fin(time_point now) noexcept {
  if (stage_ == stage::fin_sent) {
    stage_ = at_exit_ ? stage::gone : stage::time_wait;
    until_ = now + linger;
    return act::send_ack;
  }
  // DEVIATION RFC 9293 §3.6: no half-close; a FIN is answered by a FIN at once.
  stage_ = stage::last_ack;
  start_fin(now);
  return act::send_fin;
}

void closing::start_fin(time_point now) noexcept {
  since_ = now;
  until_ = now + (at_exit_ ? exit_schedule.front() : fin_schedule.front());
}

void closing::reset(time_point now, duration lingers) noexcept {
  stage_ = stage::reset_sent;
  until_ = now + lingers;
  answered_ = time_point::min();
}

closing::act closing::on_late(bool fin, bool all_acked, time_point now) noexcept {
  switch (stage_) {
  case stage::last_ack:
    if (all_acked) {
      forget();
      return act::forget;
    }
    return fin ? act::send_fin : act::nothing;
  case stage::time_wait: return fin ? act::send_ack : act::nothing;
  case stage::reset_sent:
    if (answered_ != time_point::min() && now - answered_ < reset_interval) return act::nothing;
    answered_ = now;
    return act::send_reset;
  default: return act::nothing;
  }
}

closing::act closing::on_timer(time_point now) noexcept {
  if (now < deadline()) return act::nothing;
  const bool waits = stage_ == stage::fin_sent || stage_ == stage::last_ack;
  const auto last = at_exit_ ? exit_schedule.back() : fin_schedule.back();
  if (!waits || now - since_ >= last) {
    forget();
    return act::forget;
  }
  until_ = at_exit_ ? next_of(exit_schedule, since_, now) : next_of(fin_schedule, since_, now);
  return act::send_fin;
}

time_point closing::deadline() const noexcept {
  const bool begun = stage_ != stage::syn_sent && stage_ != stage::open && stage_ != stage::gone;
  return begun ? until_ : time_point::max();
}

} // namespace tonel::protocol::flow
