#pragma once

#include "protocol/time.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <optional>

namespace tonel::sim {

/// Lets time pass, from deadline to deadline, at each of which `step` acts.
/// each_deadline: calls its argument with every std::optional<time_point> that the world has
template <class EachDeadline, class Step>
void pass_time(protocol::time_point& now, protocol::duration time,
               const EachDeadline& each_deadline, const Step& step) {
  const auto end = now + time;
  for (int spins = 0;; ++spins) {
    auto at = end;
    each_deadline([&at](const std::optional<protocol::time_point>& t) {
      if (t) at = std::min(at, *t);
    });
    if (at > now) spins = 0;
    BOOST_REQUIRE_MESSAGE(spins < 1'000, "time stands still");
    now = std::max(now, at);
    if (at >= end) return;
    step();
  }
}

} // namespace tonel::sim
