#include "actors/messages/interfaces.hpp"
#include "actors/runtime/inlet.hpp"
#include "actors/runtime/reactor_actor.hpp"
#include "actors/runtime/scheduler.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/behavior.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::actors;

namespace {

/// Notes each number that it gets as the path's interface, and does what the test wants with it.
struct player_state : inlets<wire_to_app> {
  static inline const char* name = "player";
  explicit player_state(pinned<player_state>* owner) : self(owner) {}
  void on(wire_to_app& batch) override {
    const auto number = static_cast<int>(batch.path.interface);
    got->push_back(number);
    if (then) then(self, number);
  }

  pinned<player_state>* self;
  std::vector<int>* got = nullptr;
  std::function<void(pinned<player_state>*, int)> then;
};
using player_actor = pinned<player_state>;

caf::behavior player(player_actor* self, std::vector<int>* got,
                     const std::function<void(player_actor*, int)>& then) {
  self->state.got = got;
  self->state.then = then;
  return {[self](wire_to_app& batch) { self->state.on(batch); }};
}

struct listener_state {
  static inline const char* name = "listener";
};

/// Has a behaviour alone.
caf::behavior listener(pinned<listener_state>*, std::vector<int>* got) {
  return {[got](wire_to_app& batch) { got->push_back(static_cast<int>(batch.path.interface)); }};
}

struct sleeper_state {
  static inline const char* name = "sleeper";
  explicit sleeper_state(pinned<sleeper_state>*) {}
  void on(timer_event) { ++*woken; }

  int* woken = nullptr;
};

/// Counts the timer that it sets for a second from now.
caf::behavior sleeper(pinned<sleeper_state>* self, int* woken) {
  self->state.woken = woken;
  self->arm(self->now() + std::chrono::seconds{1});
  return {[self](timer_event event) { self->state.on(event); },
          [self](const wire_to_app&) { self->arm(self->now() + std::chrono::hours{1}); }};
}

wire_to_app ball(int number) {
  wire_to_app batch;
  batch.path.interface = static_cast<std::uint32_t>(number);
  return batch;
}

using way = outlet<wire_to_app, sink_actor>;
way way_to(const caf::actor& to, player_actor* from) { return {as<sink_actor>(to), from->loop()}; }

void play(player_actor* self, const way& to, int number) {
  auto thrown = ball(number);
  to.put(*self, thrown);
}

caf::actor_system_config& sharing(caf::actor_system_config& config) {
  use_idle_scheduler(config);
  return config;
}

struct court {
  caf::actor_system_config config;
  caf::actor_system system{sharing(config)};
  protocol::time_point now{std::chrono::hours{1}};
  reactor loop{system, std::make_unique<test::virtual_loop>(now)};
  std::vector<int> first, second;
  std::vector<caf::actor> players;

  caf::actor add(std::vector<int>& got, std::function<void(player_actor*, int)> then = {}) {
    players.push_back(loop.spawn(player, &got, std::move(then)));
    return players.back();
  }
  void step() {
    for (int i = 0; i < 5; ++i)
      loop.run_once(protocol::duration{-1});
  }
  void settle() {
    do {
      step();
    } while (!loop.is_done());
  }
  ~court() {
    for (auto& p : players) {
      caf::anon_send_exit(p, caf::exit_reason::kill);
      p = nullptr;
    }
    settle();
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(pass_test)

BOOST_FIXTURE_TEST_CASE(an_idle_neighbour_handles_it_within_the_call, court) {
  auto b = add(second);
  std::size_t seen_inside = 0;
  auto a = add(first, [&](player_actor* self, int number) {
    play(self, way_to(b, self), number + 1);
    seen_inside = second.size();
  });
  step();
  caf::anon_send(a, ball(1));
  step();
  BOOST_TEST(second == std::vector<int>{2});
  BOOST_TEST(seen_inside == 1u);
}

BOOST_FIXTURE_TEST_CASE(what_an_idle_neighbour_handled_leaves_its_memory, court) {
  auto b = add(second);
  std::size_t handled = 0, sent = 1;
  auto a = add(first, [&](player_actor* self, int) {
    const auto to = way_to(b, self);
    auto one = ball(1), other = ball(2);
    one.chunks.resize(10);
    other.chunks.resize(10);
    to.put(*self, one);
    handled = one.chunks.capacity();
    self->send(b, ball(3));
    to.put(*self, other); // goes behind that, as a whole
    sent = other.chunks.capacity();
  });
  step();
  caf::anon_send(a, ball(0));
  step();
  BOOST_TEST(second == (std::vector<int>{1, 3, 2}));
  BOOST_TEST(handled == 10u);
  BOOST_TEST(sent == 0u);
}

BOOST_FIXTURE_TEST_CASE(nothing_overtakes_what_waits_in_the_mailbox, court) {
  auto b = add(second);
  auto a = add(first, [&](player_actor* self, int) {
    self->send(b, ball(1));
    play(self, way_to(b, self), 2);
    BOOST_TEST(second.empty());
  });
  step();
  caf::anon_send(a, ball(0));
  step();
  BOOST_TEST(second == (std::vector<int>{1, 2}));
}

BOOST_FIXTURE_TEST_CASE(what_comes_back_to_the_sender_waits, court) {
  way home;
  bool inside = false;
  auto b = add(second, [&](player_actor* self, int number) { play(self, home, number + 1); });
  auto a = add(first, [&](player_actor* self, int number) {
    BOOST_TEST(!inside);
    if (number > 5) return;
    inside = true;
    play(self, way_to(b, self), number + 1);
    inside = false;
  });
  home = {as<sink_actor>(a), loop};
  step();
  caf::anon_send(a, ball(1));
  step();
  BOOST_TEST(first == (std::vector<int>{1, 3, 5, 7}));
  BOOST_TEST(second == (std::vector<int>{2, 4, 6}));
  home = {};
}

BOOST_FIXTURE_TEST_CASE(what_a_receiver_throws_ends_the_receiver_alone, court) {
  auto b = add(second, [](player_actor*, int) { throw std::runtime_error{"a fault"}; });
  bool went_on = false;
  auto a = add(first, [&](player_actor* self, int number) {
    const auto other = way_to(b, self);
    play(self, other, number);
    play(self, other, number); // of one that is dead: dropped
    went_on = true;
  });
  step();
  caf::anon_send(a, ball(1));
  step();
  BOOST_TEST(went_on);
  BOOST_TEST(second.size() == 1u);
  caf::anon_send(a, ball(2));
  step();
  BOOST_TEST(first.size() == 2u);
}

BOOST_FIXTURE_TEST_CASE(what_is_thrown_reaches_those_who_monitor_the_receiver, court) {
  auto b = add(second, [](player_actor*, int) { throw std::runtime_error{"a fault"}; });
  caf::error why;
  auto a = add(first, [&](player_actor* self, int number) {
    self->set_down_handler([&why](const caf::down_msg& down) { why = down.reason; });
    self->monitor(b);
    play(self, way_to(b, self), number);
  });
  step();
  caf::anon_send(a, ball(1));
  step();
  BOOST_TEST(bool{why});
}

BOOST_FIXTURE_TEST_CASE(a_receiver_that_quits_gets_no_more, court) {
  auto b = add(second, [](player_actor* self, int) { self->quit(); });
  auto a = add(first, [&](player_actor* self, int number) {
    const auto other = way_to(b, self);
    play(self, other, number);
    play(self, other, number);
  });
  step();
  caf::anon_send(a, ball(1));
  step();
  BOOST_TEST(second.size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_receiver_that_is_no_inlet_gets_it_through_its_mailbox, court) {
  players.push_back(loop.spawn(listener, &second));
  auto a = add(first, [&](player_actor* self, int number) {
    play(self, way_to(players.front(), self), number);
    BOOST_TEST(second.empty());
  });
  step();
  caf::anon_send(a, ball(1));
  step();
  BOOST_TEST(second == std::vector<int>{1});
}

BOOST_FIXTURE_TEST_CASE(an_actor_of_another_reactor_gets_it_through_its_mailbox, court) {
  reactor elsewhere{system, std::make_unique<test::virtual_loop>(now)};
  auto b = elsewhere.spawn(player, &second, std::function<void(player_actor*, int)>{});
  elsewhere.run_once(protocol::duration::zero());
  auto a = add(first, [&](player_actor* self, int number) { play(self, way_to(b, self), number); });
  step();
  caf::anon_send(a, ball(1));
  step();
  BOOST_TEST(second.empty());
  elsewhere.run_once(protocol::duration::zero());
  BOOST_TEST(second.size() == 1u);
  caf::anon_send_exit(b, caf::exit_reason::kill);
  b = nullptr;
  for (int i = 0; i < 5; ++i)
    elsewhere.run_once(protocol::duration::zero());
}

BOOST_FIXTURE_TEST_CASE(timers_that_are_due_together_leave_the_descriptors_their_turns, court) {
  int woken = 0;
  for (int i = 0; i < 300; ++i)
    players.push_back(loop.spawn(sleeper, &woken));
  settle();
  now += std::chrono::seconds{2};
  for (int passes = 0; passes < 5; ++passes) {
    BOOST_TEST(woken <= 64 * passes);
    loop.run_once(protocol::duration{-1});
    BOOST_TEST(loop.is_done() == (woken == 300));
  }
  BOOST_TEST(woken == 300);
  step();
  BOOST_TEST(woken == 300);
}

BOOST_FIXTURE_TEST_CASE(a_timer_that_is_set_anew_before_its_turn_comes_only_then, court) {
  int woken = 0;
  for (int i = 0; i < 100; ++i)
    players.push_back(loop.spawn(sleeper, &woken));
  settle();
  now += std::chrono::seconds{2};
  loop.run_once(protocol::duration{-1});
  BOOST_TEST(woken == 64);
  caf::anon_send(players.back(), ball(0));
  step();
  BOOST_TEST(woken == 99);
  now += std::chrono::hours{2};
  step();
  BOOST_TEST(woken == 100);
}

BOOST_FIXTURE_TEST_CASE(actors_with_messages_leave_the_descriptors_their_turns, court) {
  for (int i = 0; i < 300; ++i)
    add(first);
  settle();
  for (int i = 0; i < 300; ++i)
    caf::anon_send(players[static_cast<std::size_t>(i)], ball(i));
  for (std::size_t passes = 0; passes < 5; ++passes) {
    BOOST_TEST(first.size() <= 64 * passes);
    loop.run_once(protocol::duration{-1});
  }
  BOOST_TEST(first.size() == 300u);
  BOOST_TEST(std::is_sorted(first.begin(), first.end()));
}

BOOST_AUTO_TEST_SUITE_END()
