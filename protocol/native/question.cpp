#include "protocol/native/question.hpp"

#include <chrono>

namespace tonel::protocol::native {

namespace {

using namespace std::chrono_literals;

constexpr auto interval = 50ms;
/// An unanswered question is forgotten after this time, and the next keepalive asks another.
constexpr auto life = 5s;
constexpr std::uint16_t first_window = 0x8000;
constexpr std::uint32_t windows = 0x1ff0;
constexpr std::uint16_t last_of_one = 3;

} // namespace

std::uint16_t question::window(time_point now) noexcept {
  if (window_ == 0 || now - asked_ >= life) {
    window_ =
        static_cast<std::uint16_t>(first_window + random_.next() % windows * (last_of_one + 1));
    asked_ = now;
  } else if ((window_ & last_of_one) != last_of_one) {
    ++window_;
  }
  asked_last_ = now;
  return window_;
}

bool question::may_be_asked(time_point now) const noexcept {
  return asked_last_ == time_point::min() || now - asked_last_ >= interval;
}

bool question::is_answered_by(const segment_repr& in) const noexcept {
  return window_ != 0 && in.length() == 0 && !in.has(flag::psh) && in.window <= window_ &&
         in.window >= (window_ & ~unsigned{last_of_one});
}

std::optional<duration> question::heard(std::uint16_t window, time_point now) noexcept {
  window_ = 0;
  if ((window & last_of_one) != 0) return std::nullopt;
  return now - asked_;
}

bool question::is_asked_by(const segment_repr& in) noexcept {
  return in.length() == 0 && in.window >= first_window;
}

} // namespace tonel::protocol::native
