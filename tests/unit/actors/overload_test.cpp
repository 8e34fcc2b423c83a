#include "actors/path/tun_queue.hpp"
#include "actors/path/udp_listener.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <cstdint>
#include <memory>

using namespace tonel;
using namespace tonel::actors;
using namespace std::chrono_literals;

namespace {

const protocol::time_point t0{100s};

struct seen {
  std::size_t opened = 0;
};
struct recorder_state {
  static inline const char* name = "recorder";
};
/// Stands for all other actors.
caf::behavior recorder(pinned<recorder_state>*, seen* got) {
  return {[got](const open_session&) { ++got->opened; }, [](const app_to_wire&) {},
          [](const close_session&) {}};
}

/// A listener whose sessions are asked for, and never made.
struct asked_listener {
  asked_listener() {
    other = r.spawn(recorder, &got);
    listener = r.spawn(udp_listener, udp_listener_start{&where, nullptr, socket, bounds, other});
    step(0ms);
  }
  ~asked_listener() {
    for (auto* a : {&listener, &other, &busy}) {
      if (*a) caf::anon_send_exit(*a, caf::exit_reason::kill);
      *a = nullptr;
    }
    step(0ms);
  }
  void step(protocol::duration later) {
    now += later;
    for (int i = 0; i < 5; ++i)
      r.run_once(protocol::duration{-1});
  }
  void applications(std::uint16_t first, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      socket->memory.push(
          {test::process::app(static_cast<std::uint16_t>(first + i)), test::bytes_of("a"), 1});
  }

  caf::actor_system_config config;
  caf::actor_system system{config};
  protocol::time_point now = t0;
  reactor r{system, std::make_unique<test::virtual_loop>(now)};
  process_context context;
  sys::slab_pool pool{64};
  sys::memory_packet_device tun;
  actors::shard where{0, context, r, pool, tun};
  std::shared_ptr<test::socket> socket = std::make_shared<test::socket>();
  std::shared_ptr<admission> bounds =
      std::make_shared<admission>(session_limits{{1'000, 1'000, 1'000, 1'000}, *context.sources});
  seen got;
  caf::actor other, listener, busy;
};

struct never_done_state {
  static inline const char* name = "never_done";
};

/// Has always a message more to handle.
caf::behavior never_done(pinned<never_done_state>* self, std::uint64_t word) {
  self->send(self, word);
  return {[self](std::uint64_t) { self->send(self, std::uint64_t{1}); }};
}

} // namespace

BOOST_AUTO_TEST_SUITE(overload_test)

BOOST_AUTO_TEST_CASE(a_burst_of_new_sessions_is_begun_bit_by_bit_and_whole) {
  asked_listener l;
  l.applications(5'001, 200);
  l.step(0ms);
  BOOST_TEST(l.got.opened == 8u);
  l.step(11ms);
  BOOST_TEST(l.got.opened == 8u + 96u);
  // The newest goes first. It is open: two more begin at once.
  caf::anon_send(l.listener, session_changed{test::process::app(5'200), l.other, 0});
  caf::anon_send(l.listener, streams_changed{test::process::app(5'200), l.other.id(), {l.other}});
  l.step(0ms);
  BOOST_TEST(l.got.opened == 8u + 96u + 2u);
  l.step(21ms);
  l.step(21ms);
  BOOST_TEST(l.got.opened == 200u);
  BOOST_TEST(l.where.stats.get(counter::session_refused) == 0u);
}

BOOST_AUTO_TEST_CASE(a_shard_that_is_behind_begins_no_session_and_drops_those_that_waited_long) {
  asked_listener l;
  l.busy = l.r.spawn(never_done, std::uint64_t{1});
  l.step(0ms);
  l.step(20ms);
  BOOST_TEST((l.r.behind() >= 20ms));
  l.applications(5'001, 10);
  l.step(1ms);
  l.step(100ms);
  BOOST_TEST(l.got.opened == 0u);
  BOOST_TEST(l.where.stats.get(counter::session_refused) == 0u);
  l.step(110ms);
  BOOST_TEST(l.where.stats.get(counter::session_refused) == 10u);
  BOOST_TEST(l.where.stats.get(counter::pending_dropped) == 10u);
  l.applications(6'001, 3);
  l.step(1ms);
  BOOST_TEST(l.got.opened == 0u);
  caf::anon_send_exit(l.busy, caf::exit_reason::kill);
  l.busy = nullptr;
  l.step(11ms);
  l.step(11ms);
  BOOST_TEST((l.r.behind() == 0ms));
  BOOST_TEST(l.got.opened == 3u);
}

BOOST_AUTO_TEST_CASE(a_server_that_is_behind_answers_no_syn_until_it_has_caught_up) {
  caf::actor_system_config config;
  caf::actor_system system{config};
  auto now = t0;
  reactor r{system, std::make_unique<test::virtual_loop>(now)};
  process_context context;
  context.settings.side = role::server;
  sys::slab_pool pool{8};
  sys::memory_packet_device tun;
  actors::shard where{0, context, r, pool, tun};
  tunnel_config settings;
  settings.local_port = 443;
  where.tunnels.push_back({std::make_shared<const tunnel_config>(settings), nullptr, {}});
  const auto step = [&](protocol::duration later) {
    now += later;
    for (int i = 0; i < 5; ++i)
      r.run_once(protocol::duration{-1});
  };
  auto busy = r.spawn(never_done, std::uint64_t{1}), queue = r.spawn(tun_queue, &where);
  step(0ms);
  step(20ms);

  protocol::segment_header syn;
  syn.tuple = {{protocol::ip_address::v4(192, 0, 2, 2), 40'000},
               {protocol::ip_address::v4(192, 0, 2, 1), 443}};
  syn.flags = protocol::flag::syn;
  syn.mss = 1'460;
  tun.push({syn, {}, 0});
  step(1ms);
  BOOST_TEST(tun.written.empty());
  BOOST_TEST(where.stats.get(counter::syns_deferred) == 1u);

  caf::anon_send_exit(busy, caf::exit_reason::kill);
  busy = nullptr;
  step(1ms);
  tun.push({syn, {}, 0});
  step(1ms);
  BOOST_TEST(tun.written.size() == 1u);
  BOOST_TEST(where.stats.get(counter::syns_deferred) == 1u);

  caf::anon_send_exit(queue, caf::exit_reason::kill);
  queue = nullptr;
  step(0ms);
}

BOOST_AUTO_TEST_SUITE_END()
