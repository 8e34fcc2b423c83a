#include "actors/runtime/scheduler.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

using namespace tonel::actors;

namespace {

struct idle_system {
  idle_system() {
    use_idle_scheduler(config);
    system.emplace(config);
  }
  caf::actor_system_config config;
  std::optional<caf::actor_system> system;
};

/// How often the thread of CAF's clock has woken up; none: it has not said its name yet.
std::optional<std::uint64_t> wakes_of_the_clock() {
  namespace fs = std::filesystem;
  for (const auto& thread : fs::directory_iterator("/proc/self/task")) {
    std::string name, word;
    std::getline(std::ifstream(thread.path() / "comm"), name);
    if (name != "caf.clock") continue;
    std::ifstream status(thread.path() / "status");
    std::uint64_t wakes = 0;
    while (status >> word)
      if (word == "voluntary_ctxt_switches:" && status >> wakes) return wakes;
  }
  return std::nullopt;
}

} // namespace

BOOST_AUTO_TEST_SUITE(scheduler_test)

BOOST_AUTO_TEST_CASE(an_actor_that_ends_does_not_wake_the_clock) {
  idle_system s;
  const auto born_and_gone = [&] {
    caf::scoped_actor outside{*s.system};
    const auto one = s.system->spawn([](caf::event_based_actor*, int) {}, 1);
    outside->wait_for(one);
  };
  born_and_gone();
  std::optional<std::uint64_t> before;
  for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{10};
       !before && std::chrono::steady_clock::now() < end; before = wakes_of_the_clock())
    std::this_thread::yield();
  BOOST_TEST_REQUIRE(before.has_value());
  for (int i = 0; i < 200; ++i)
    born_and_gone();
  BOOST_TEST(*wakes_of_the_clock() - *before < 10u);
}

BOOST_AUTO_TEST_CASE(timeouts_of_caf_still_work) {
  idle_system s;
  caf::scoped_actor outside{*s.system};
  outside->delayed_send(outside, std::chrono::milliseconds{1}, 7);
  int got = 0;
  outside->receive([&](int number) { got = number; });
  BOOST_TEST(got == 7);
}

BOOST_AUTO_TEST_SUITE_END()
