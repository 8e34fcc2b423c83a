#include "actors/supervision/supervisor.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// The supervisor alone: children that are words in a list, and time as an argument.
using namespace tonel;
using namespace tonel::actors;
using namespace std::chrono_literals;
using kind = supervisor::outcome::kind;
using said = std::vector<std::string>;

namespace {

/// Children that note what they are told; `numbers` has those that have begun.
struct nursery {
  supervisor children;
  said log;
  std::map<std::string, std::uint64_t> numbers;
  std::uint64_t last = 0;
  std::size_t members = 0; ///< of the group
  protocol::time_point now{100s};

  child make(const std::string& name, std::size_t stage,
             const std::shared_ptr<restart_plan>& plan = nullptr) {
    child out;
    out.name = name;
    out.stage = stage;
    out.start = [this, name](bool again) {
      log.push_back((again ? "again " : "start ") + name);
      return numbers[name] = ++last;
    };
    out.stop = [this, name](ending how) {
      log.push_back((how == ending::asked ? "ask " : "kill ") + name);
    };
    out.plan = plan;
    return out;
  }
  child group(const std::string& name, std::size_t stage) {
    auto out = make(name, stage);
    out.start = [](bool) { return std::uint64_t{0}; };
    out.gone = [this] { return members == 0; };
    return out;
  }
  supervisor::outcome down(const std::string& name) {
    return children.on_down(numbers.at(name), now);
  }
  /// The time of the next deadline comes; nothing where there is none.
  std::optional<protocol::duration> wait() {
    const auto at = children.next_deadline();
    if (!at) return std::nullopt;
    const auto waited = *at - now;
    now = *at;
    children.on_timer(now);
    return waited;
  }
  said news() { return std::exchange(log, {}); }
};

std::shared_ptr<restart_plan> plan_of(std::size_t restarts) {
  return std::make_shared<restart_plan>(
      restart_plan{restart_budget{restarts, 30s}, backoff{100ms, 100ms, 10s}});
}
std::shared_ptr<restart_plan> endless() {
  return std::make_shared<restart_plan>(
      restart_plan{std::nullopt, backoff{1s, 2s, 60s}, protocol::duration{1min}});
}

} // namespace

BOOST_AUTO_TEST_SUITE(supervisor_test)

BOOST_AUTO_TEST_CASE(children_start_in_the_order_of_their_stages_and_then_of_the_list) {
  nursery n;
  n.children.add(n.make("c", 2));
  n.children.add(n.make("a", 0));
  n.children.add(n.make("b", 1));
  n.children.add(n.make("b2", 1));
  BOOST_TEST(n.log.empty());
  n.children.start(n.now);
  BOOST_TEST((n.news() == said{"start a", "start b", "start b2", "start c"}));
  n.children.start(n.now);
  BOOST_TEST(n.log.empty());
  BOOST_TEST(!n.children.next_deadline().has_value());
}

BOOST_AUTO_TEST_CASE(one_that_is_added_later_starts_alone) {
  nursery n;
  n.children.add(n.make("a", 0));
  n.children.start(n.now);
  n.children.add(n.make("b", 1));
  n.children.start(n.now);
  BOOST_TEST((n.news() == said{"start a", "start b"}));
}

BOOST_AUTO_TEST_CASE(one_for_one_starts_the_failed_one_again_and_nobody_else) {
  nursery n;
  for (const char* name : {"a", "b", "c"})
    n.children.add(n.make(name, 0, plan_of(1)));
  n.children.start(n.now);
  n.news();
  const auto failed = n.down("b");
  BOOST_TEST((failed.is == kind::restarts));
  BOOST_TEST(n.children.description(failed.who).name == "b");
  BOOST_TEST((failed.wait == 100ms));
  BOOST_TEST(n.children.at_work());
  BOOST_TEST(n.log.empty());
  BOOST_TEST((n.wait() == 100ms));
  BOOST_TEST((n.news() == said{"again b"}));
  BOOST_TEST(!n.wait().has_value());
}

BOOST_AUTO_TEST_CASE(a_budget_that_is_used_up_is_the_owners_failure) {
  nursery n;
  const auto shared = plan_of(2);
  n.children.add(n.make("a", 0, shared));
  n.children.add(n.make("b", 0, shared));
  n.children.add(n.make("other", 0, plan_of(2)));
  n.children.start(n.now);
  n.down("a");
  n.wait();
  BOOST_TEST((n.down("b").is == kind::restarts));
  n.wait();
  n.news();
  const auto failed = n.down("a");
  BOOST_TEST((failed.is == kind::given_up));
  BOOST_TEST(n.children.description(failed.who).name == "a");
  BOOST_TEST(!n.wait().has_value());
  BOOST_TEST(n.log.empty());
  BOOST_TEST((n.down("other").is == kind::restarts)); // that of another plan
}

BOOST_AUTO_TEST_CASE(a_budget_is_of_a_time) {
  nursery n;
  n.children.add(n.make("a", 0, plan_of(1)));
  n.children.start(n.now);
  for (int i = 0; i < 5; ++i) {
    BOOST_TEST((n.down("a").is == kind::restarts));
    n.wait();
    n.now += 31s;
  }
}

BOOST_AUTO_TEST_CASE(waits_grow_and_begin_anew_after_a_steady_life) {
  nursery n;
  n.children.add(n.make("a", 0, endless()));
  n.children.start(n.now);
  for (const auto expected : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    const auto failed = n.down("a");
    BOOST_TEST((failed.wait == expected));
    BOOST_TEST((n.wait() == expected));
  }
  n.now += 61s;
  BOOST_TEST((n.down("a").wait == 1s));
  n.wait();
  n.now += 59s;
  BOOST_TEST((n.down("a").wait == 2s));
}

BOOST_AUTO_TEST_CASE(one_without_a_plan_is_never_started_again) {
  nursery n;
  n.children.add(n.make("a", 0));
  n.children.start(n.now);
  BOOST_TEST((n.down("a").is == kind::expected));
  BOOST_TEST(!n.wait().has_value());
}

BOOST_AUTO_TEST_CASE(strangers_and_ends_told_twice_change_nothing) {
  nursery n;
  n.children.add(n.make("a", 0, plan_of(1)));
  n.children.add(n.group("sessions", 1));
  n.children.start(n.now);
  BOOST_TEST((n.children.on_down(4711, n.now).is == kind::stranger));
  BOOST_TEST((n.children.on_down(0, n.now).is == kind::stranger)); // that of the group
  BOOST_TEST((n.down("a").is == kind::restarts));
  BOOST_TEST((n.down("a").is == kind::stranger));
}

BOOST_AUTO_TEST_CASE(all_stop_in_reverse_each_stage_when_the_later_one_is_gone) {
  nursery n;
  n.children.add(n.make("a", 0));
  n.children.add(n.make("b", 1));
  n.children.add(n.make("b2", 1));
  n.children.add(n.make("c", 2));
  n.children.start(n.now);
  n.news();
  n.children.stop(n.now);
  BOOST_TEST((n.news() == said{"ask c"}));
  n.down("b2"); // by itself: it is not asked any more
  BOOST_TEST(n.log.empty());
  n.down("c");
  BOOST_TEST((n.news() == said{"ask b"}));
  BOOST_TEST(!n.children.ended());
  n.down("b");
  BOOST_TEST((n.news() == said{"ask a"}));
  n.down("a");
  BOOST_TEST(n.children.ended());
  BOOST_TEST(!n.wait().has_value());
}

BOOST_AUTO_TEST_CASE(after_stop_nothing_is_started_again) {
  nursery n;
  n.children.add(n.make("a", 0, plan_of(1)));
  n.children.add(n.make("b", 0, plan_of(1)));
  n.children.start(n.now);
  n.down("a");
  n.children.stop(n.now);
  BOOST_TEST((n.down("b").is == kind::expected));
  BOOST_TEST(n.children.ended());
  BOOST_TEST(!n.wait().has_value());
  n.children.start(n.now);
  BOOST_TEST((n.news() == said{"start a", "start b", "ask b"}));
}

BOOST_AUTO_TEST_CASE(one_that_does_not_end_in_time_is_killed) {
  nursery n;
  auto slow = n.group("sessions", 1);
  slow.stop_after = protocol::duration{1600ms};
  n.children.add(n.make("queue", 0));
  n.children.add(slow);
  n.members = 3;
  n.children.start(n.now);
  n.news();
  n.children.stop(n.now);
  n.members = 1;
  n.children.on_left(n.now);
  BOOST_TEST((n.wait() == 1600ms));
  BOOST_TEST((n.news() == said{"ask sessions", "kill sessions"}));
  BOOST_TEST(!n.wait().has_value());
  n.members = 0;
  n.children.on_left(n.now);
  BOOST_TEST((n.news() == said{"ask queue"}));
}

BOOST_AUTO_TEST_CASE(a_group_without_members_is_not_waited_for) {
  nursery n;
  auto slow = n.group("sessions", 1);
  slow.stop_after = protocol::duration{1600ms};
  n.children.add(slow);
  n.children.start(n.now);
  n.children.stop(n.now);
  BOOST_TEST(n.children.ended());
  BOOST_TEST(!n.wait().has_value());
}

BOOST_AUTO_TEST_CASE(a_retired_child_is_awaited_and_forgotten) {
  nursery n;
  const auto old = n.children.add(n.make("old", 1, plan_of(1)));
  n.children.add(n.make("a", 0));
  n.children.start(n.now);
  n.news();
  n.children.retire(old, n.now);
  BOOST_TEST((n.news() == said{"ask old"}));
  n.children.stop(n.now);
  BOOST_TEST(n.log.empty()); // its stage is not gone yet
  const auto gone = n.down("old");
  BOOST_TEST((gone.is == kind::expected && gone.who == old));
  BOOST_TEST((n.news() == said{"ask a"}));
  // One that waits for its restart is forgotten at once.
  nursery other;
  const auto waiting = other.children.add(other.make("a", 0, plan_of(1)));
  other.children.start(other.now);
  other.down("a");
  other.children.retire(waiting, other.now);
  BOOST_TEST(!other.wait().has_value());
}

BOOST_AUTO_TEST_CASE(an_owner_that_is_about_to_be_gone_waits_for_none) {
  nursery n;
  n.children.add(n.make("a", 0));
  n.children.add(n.make("b", 1));
  n.children.add(n.make("c", 2));
  n.children.start(n.now);
  n.down("b");
  n.news();
  n.children.abandon(ending::killed);
  BOOST_TEST((n.news() == said{"kill c", "kill a"}));
}

BOOST_AUTO_TEST_SUITE_END()
