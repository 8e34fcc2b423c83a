#include "tests/unit/actors/world.hpp"

#include <csignal>
#include <string>
#include <utility>

// What the host of a process in the world says, and when.
namespace tonel::test {

void process::reload(const actors::reload_result& found) {
  next_reload_ = found;
  signal(SIGHUP);
}

void process::from_host(std::function<void()> answer) {
  if (host_hangs)
    unanswered_.push_back(std::move(answer));
  else
    answer();
}

void process::host_answers() {
  host_hangs = false;
  for (const auto& answer : std::exchange(unanswered_, {}))
    answer();
}

sys::host_way process::way_from(std::uint8_t last) {
  return {protocol::ip_address::v4(192, 168, 201, 2), protocol::ip_address::v4(10, 1, 0, last),
          last, "eth" + std::to_string(last), false};
}

void process::ways_are(std::vector<sys::host_way> now) {
  ways = std::move(now);
  routes_ready_->set(true);
}

} // namespace tonel::test
