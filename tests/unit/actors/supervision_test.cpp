#include "actors/supervision/restart.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <initializer_list>
#include <stdexcept>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;
using protocol::errc;
namespace flag = protocol::flag;

namespace {

using texts = std::vector<std::string>;

/// A client and a server with one session; afterwards all of it must still end without a rest.
struct pair_of_processes {
  explicit pair_of_processes(const world_options& o = {}) : w(o) {
    w.echo(5001, "first");
    client_actors = w.client().actors_running();
    server_actors = w.server().actors_running();
  }
  /// The tunnel works, and there are as many actors as before; and two for each session of the
  /// server's that waits for its idle timeout, since nobody closed it.
  void works_again(std::size_t streamless = 0) {
    w.echo(5001, "again");
    w.pass(15s); // for what lingers
    BOOST_TEST(w.client().actors_running() == client_actors);
    BOOST_TEST(w.server().actors_running() == server_actors + 2 * streamless);
  }
  world w;
  std::size_t client_actors = 0, server_actors = 0;
};

} // namespace

BOOST_AUTO_TEST_SUITE(supervision_test)

BOOST_AUTO_TEST_CASE(a_budget_is_of_so_many_within_so_long) {
  actors::restart_budget budget{2, 30s};
  const protocol::time_point t0{100s};
  BOOST_TEST(budget.take(t0));
  BOOST_TEST(budget.take(t0 + 10s));
  BOOST_TEST(!budget.take(t0 + 20s));
  BOOST_TEST(budget.take(t0 + 31s));
  BOOST_TEST(!budget.take(t0 + 32s));
}

BOOST_AUTO_TEST_CASE(waits_double_up_to_the_most) {
  actors::backoff wait{0s, 100ms, 1s};
  for (const auto expected : {0ms, 100ms, 200ms, 400ms, 800ms, 1'000ms, 1'000ms})
    BOOST_TEST((wait.next() == expected));
  wait.reset();
  BOOST_TEST((wait.next() == 0s));
}

BOOST_AUTO_TEST_CASE(a_server_stream_that_fails_is_replaced_and_the_upstream_sees_no_change) {
  pair_of_processes p;
  const log_tail log;
  p.w.client().app_sends(5001, "tonel-fault:server-stream");
  p.w.pass(200ms);
  p.works_again();
  BOOST_TEST(p.w.server().upstreams.size() == 1u);
  BOOST_TEST(p.w.server().count(counter::streams_failed) == 1u);
  BOOST_TEST(p.w.client().count(counter::sessions_opened) == 1u);
  BOOST_TEST(log.matching("the stream actor ended by a fault") == 1u);
}

BOOST_AUTO_TEST_CASE(a_client_stream_that_fails_is_replaced_within_its_session) {
  pair_of_processes p;
  p.w.client().app_sends(5001, "tonel-fault:client-stream");
  p.w.pass(200ms);
  p.works_again();
  BOOST_TEST(p.w.client().count(counter::streams_failed) == 1u);
  BOOST_TEST(p.w.client().count(counter::sessions_opened) == 1u);
  BOOST_TEST(p.w.server().upstreams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(
    a_client_session_whose_streams_fail_too_often_ends_and_the_next_datagram_makes_one) {
  pair_of_processes p;
  for (int i = 0; i < 4; ++i) {
    p.w.client().app_sends(5001, "tonel-fault:client-stream");
    p.w.pass(200ms);
  }
  p.w.pass(5s); // the server limits streams that are replaced
  p.works_again();
  BOOST_TEST(p.w.client().count(counter::sessions_opened) == 2u);
  // It goes on with what the server has.
  BOOST_TEST(p.w.server().upstreams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_endpoint_that_fails_is_started_again_on_the_same_socket) {
  pair_of_processes p;
  p.w.client().app_sends(5001, "tonel-fault:endpoint");
  p.w.run();
  p.works_again();
  p.w.server().upstreams[0]->receive_fails = true;
  p.w.server().upstreams[0]->memory.push({}, bytes_of("x"));
  p.w.run();
  p.works_again();
  BOOST_TEST(p.w.server().upstreams.size() == 1u);
  BOOST_TEST(p.w.server().count(counter::streams_opened) == 1u);
  // Replies reach all streams' peers still.
  BOOST_TEST(p.w.client().app_got(5001).back() == "re:again");
}

BOOST_AUTO_TEST_CASE(a_server_session_whose_endpoint_fails_too_often_ends_and_a_hello_makes_one) {
  pair_of_processes p;
  for (int i = 0; i < 4; ++i) {
    p.w.client().app_sends(5001, "tonel-fault:endpoint");
    p.w.run();
  }
  BOOST_TEST(p.w.sent_with(flag::rst, false).size() == 1u);
  p.w.pass(200ms);
  p.works_again();
  BOOST_TEST(p.w.server().upstreams.size() == 2u);
  BOOST_TEST(p.w.server().upstreams[0].use_count() == 1);
}

BOOST_AUTO_TEST_CASE(a_tun_queue_that_fails_leaves_sessions_streams_and_upstream_ports_alone) {
  for (const bool client : {true, false}) {
    BOOST_TEST_CONTEXT((client ? "client" : "server")) {
      pair_of_processes p;
      auto& failing = client ? p.w.client() : p.w.server();
      const auto handshakes = p.w.sent_with(flag::syn, true).size();
      failing.tuns[0]->read_error = EBADFD;
      p.w.client().app_sends(5001, "x");
      p.w.server().upstreams[0]->memory.push({}, bytes_of("y"));
      p.w.run();
      p.w.pass(20ms); // a tick of the timers: the successor is there
      p.works_again();
      BOOST_TEST(p.w.sent_with(flag::rst, true).empty());
      BOOST_TEST(p.w.sent_with(flag::rst, false).empty());
      BOOST_TEST(p.w.sent_with(flag::syn, true).size() == handshakes);
      BOOST_TEST(p.w.server().upstreams.size() == 1u);
      for (auto* each : {&p.w.client(), &p.w.server()}) {
        BOOST_TEST(each->count(counter::sessions_opened) == 1u);
        BOOST_TEST(each->count(counter::sessions_closed) == 0u);
        BOOST_TEST(each->count(counter::streams_failed) == 0u);
      }
      // New sessions are made, and old ones get new streams, by way of the successor.
      p.w.echo(5002, "another");
      p.w.client().app_sends(5001, "tonel-fault:client-stream");
      p.w.pass(200ms);
      p.w.echo(5001, "over another stream");
      BOOST_TEST(p.w.server().upstreams.size() == 2u);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_tun_queue_that_fails_while_a_stream_opens_loses_one_try_of_it) {
  pair_of_processes p;
  for (const auto port : std::initializer_list<std::uint16_t>{5002, 5003}) {
    auto& failing = port == 5002 ? p.w.client() : p.w.server();
    failing.tuns[0]->read_error = EBADFD;
    p.w.client().app_sends(port, "begins");
    p.w.pass(1s);
    p.w.echo(port, "goes on " + std::to_string(port));
  }
  BOOST_TEST(p.w.client().count(counter::sessions_opened) == 3u);
  BOOST_TEST(p.w.server().upstreams.size() == 3u);
}

BOOST_AUTO_TEST_CASE(segments_that_reach_another_shards_new_queue_first_draw_no_reset) {
  world_options o;
  o.server_shards = 2;
  pair_of_processes p{o};
  for (std::uint16_t i = 0; i < 8; ++i)
    p.w.echo(static_cast<std::uint16_t>(5'001 + i), "a" + std::to_string(i));
  auto& server = p.w.server();
  const auto on_second = server.shard(1).stats.get(counter::sessions_opened);
  BOOST_TEST_REQUIRE(on_second > 0u);
  server.stuck = 1; // its streams tell of themselves late
  server.tuns[0]->read_error = EBADFD;
  p.w.queue_of = [](const traced&) { return std::size_t{0}; };
  for (std::uint16_t i = 0; i < 8; ++i)
    p.w.client().app_sends(static_cast<std::uint16_t>(5'001 + i), "perhaps lost");
  p.w.pass(100ms);
  for (std::uint16_t i = 0; i < 8; ++i)
    p.w.client().app_sends(static_cast<std::uint16_t>(5'001 + i), "lost, too");
  p.w.pass(50ms);
  server.stuck.reset();
  p.w.run();
  for (std::uint16_t i = 0; i < 8; ++i)
    p.w.echo(static_cast<std::uint16_t>(5'001 + i), "b" + std::to_string(i));
  BOOST_TEST(p.w.sent_with(flag::rst, false).empty());
  BOOST_TEST(server.count(counter::sessions_closed) == 0u);
  BOOST_TEST(server.upstreams.size() == 8u);
}

BOOST_AUTO_TEST_CASE(a_listener_that_fails_leaves_sessions_and_their_places_alone) {
  world_options o;
  o.client_bounds.max_sessions = 2;
  pair_of_processes p{o};
  p.w.echo(5002, "second");
  p.w.client().listeners[0]->receive_fails = true;
  p.w.client().app_sends(5001, "x");
  p.w.run();
  p.w.pass(20ms);
  p.w.echo(5001, "again");
  p.w.echo(5002, "again, too");
  BOOST_TEST(p.w.client().count(counter::sessions_opened) == 2u);
  BOOST_TEST(p.w.client().count(counter::sessions_closed) == 0u);
  BOOST_TEST(p.w.server().upstreams.size() == 2u);
  // They count as before: a third one takes the place of one of them.
  p.w.echo(5003, "third");
  BOOST_TEST(p.w.client().count(counter::sessions_displaced) == 1u);
}

BOOST_AUTO_TEST_CASE(a_listener_that_fails_while_a_session_opens_knows_it_again) {
  pair_of_processes p;
  p.w.lose = [](const traced& t) { return t.from_client; };
  p.w.client().app_sends(5002, "opening");
  p.w.run();
  p.w.client().listeners[0]->receive_fails = true;
  p.w.client().app_sends(5003, "x");
  p.w.run();
  p.w.lose = nullptr;
  p.w.pass(2s);
  for (const auto port : std::initializer_list<std::uint16_t>{5001, 5002, 5003})
    p.w.echo(port, "of " + std::to_string(port));
  BOOST_TEST(p.w.client().count(counter::sessions_opened) == 3u);
  BOOST_TEST(p.w.server().upstreams.size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_shard_over_its_budget_is_started_again_once_and_then_the_process_ends) {
  pair_of_processes p;
  auto& server = p.w.server();
  const log_tail log;
  const auto fail = [&] {
    server.tuns[0]->read_error = EBADFD;
    p.w.client().app_sends(5001, "x");
    p.w.client().app_sends(static_cast<std::uint16_t>(6'000 + p.w.trace.size() % 1'000), "y");
    p.w.pass(1s);
  };
  for (int i = 0; i < 4; ++i)
    fail();
  BOOST_TEST(log.matching("failed and is started again") == 1u);
  BOOST_TEST(server.exit_code == -1);
  p.w.echo(7'001, "it works");
  for (int i = 0; i < 4; ++i)
    fail();
  BOOST_TEST(server.exit_code == 1);
  BOOST_TEST(server.ended());
}

BOOST_AUTO_TEST_CASE(a_shard_supervisor_that_throws_takes_its_children_along_and_is_started_again) {
  pair_of_processes p;
  p.w.server().fault_place = "shard";
  p.w.client().app_sends(5002, "x");
  p.w.run();
  BOOST_TEST(p.w.server().actors_running() == 1u); // root
  p.w.pass(500ms);
  p.w.client().app_sends(5001, "lost");
  p.w.pass(2s);
  p.w.echo(5001, "again");
  p.w.echo(5002, "too");
  BOOST_TEST(p.w.server().exit_code == -1);
  BOOST_TEST(p.w.server().upstreams.size() == 2u); // one of each
}

BOOST_AUTO_TEST_CASE(sessions_of_a_servers_shard_that_failed_come_back_with_their_sockets) {
  world_options o;
  o.upstream_ports = 2;
  o.streams = 2;
  pair_of_processes p{o};
  auto& server = p.w.server();
  for (std::uint16_t i = 1; i < 8; ++i)
    p.w.echo(static_cast<std::uint16_t>(5'001 + i), "a" + std::to_string(i));
  BOOST_TEST(server.upstreams.size() == 16u);
  for (int i = 0; i < 4; ++i) {
    server.tuns[0]->read_error = EBADFD;
    p.w.client().app_sends(5'001, "x");
    p.w.pass(1s);
  }
  BOOST_TEST(server.shard(0).left.size() == 8u);
  for (const char* each : {"lost", "on the other stream, too"}) {
    for (std::uint16_t i = 0; i < 7; ++i)
      p.w.client().app_sends(static_cast<std::uint16_t>(5'001 + i), each);
    p.w.pass(500ms);
  }
  for (std::uint16_t i = 0; i < 7; ++i)
    p.w.echo(static_cast<std::uint16_t>(5'001 + i), "b" + std::to_string(i));
  BOOST_TEST(server.upstreams.size() == 16u);
  BOOST_TEST(p.w.client().count(counter::sessions_opened) == 8u);
  // Whoever does not come back is waited for as long as a session may be idle.
  BOOST_TEST(server.shard(0).left.size() == 1u);
  p.w.pass(200s);
  BOOST_TEST(server.shard(0).left.size() == 0u);
  for (const auto& each : server.upstreams)
    BOOST_TEST(each.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(what_only_the_upstream_sends_reaches_a_session_that_has_come_back) {
  pair_of_processes p;
  p.w.server().fault_place = "shard";
  p.w.client().app_sends(5002, "x");
  p.w.pass(300ms);
  BOOST_TEST(p.w.server().shard(0).left.size() == 1u);
  // Its client asks whether the path is alive, learns the contrary and comes back.
  p.w.client().signal(SIGCONT);
  p.w.pass(30s);
  BOOST_TEST(p.w.server().shard(0).left.size() == 0u);
  p.w.server().upstreams[0]->memory.push({}, bytes_of("pushed"));
  p.w.run();
  BOOST_TEST(p.w.client().app_got(5001).back() == "pushed");
}

BOOST_AUTO_TEST_CASE(sessions_of_a_clients_shard_that_failed_are_gone_on_with) {
  pair_of_processes p;
  auto& client = p.w.client();
  p.w.echo(5002, "second");
  for (int i = 0; i < 4; ++i) {
    client.tuns[0]->read_error = EBADFD;
    p.w.server().upstreams[0]->memory.push({}, bytes_of("x"));
    client.app_sends(5003, "x"); // so that the queue has something to read
    p.w.pass(1s);
  }
  p.w.echo(5001, "again");
  p.w.echo(5002, "again, too");
  BOOST_TEST(client.count(counter::sessions_opened) > 3u);
  BOOST_TEST(p.w.server().count(counter::sessions_opened) == 3u);
  BOOST_TEST(p.w.server().upstreams.size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_root_that_throws_takes_all_along_and_the_process_ends) {
  world_options o;
  o.client_rules = true;
  pair_of_processes p{o};
  p.w.client().report_throws = true;
  p.w.client().signal(SIGUSR1);
  p.w.pass(3s);
  BOOST_TEST(p.w.client().ended());
  BOOST_TEST(p.w.client().exit_code == 1);
  BOOST_TEST((p.w.client().service.said.back() == "stopping"));
}

BOOST_AUTO_TEST_CASE(what_a_shard_that_failed_had_of_an_addresss_sessions_is_free_again) {
  world_options o;
  o.server_bounds.max_sessions_per_source = 2;
  pair_of_processes p{o};
  for (int i = 0; i < 3; ++i) {
    p.w.server().instead_of_upstream = []() -> sys::result<std::shared_ptr<sys::datagram_socket>> {
      throw std::runtime_error("x");
    };
    p.w.client().app_sends(5002, "x");
    p.w.run();
    p.w.server().instead_of_upstream = nullptr;
    p.w.pass(10s);
    p.w.echo(5001, "a" + std::to_string(i));
    p.w.echo(5002, "b" + std::to_string(i));
    p.w.server().tuns[0]->read_error = EBADFD;
    p.w.client().app_sends(5001, "lost");
    p.w.pass(40s); // for a budget of restarts
  }
  p.w.echo(5001, "again");
  p.w.echo(5002, "again, too");
}

BOOST_AUTO_TEST_CASE(one_shard_that_fails_leaves_the_other_alone) {
  world_options o;
  o.server_shards = 2;
  pair_of_processes p{o};
  for (std::uint16_t i = 0; i < 16; ++i)
    p.w.echo(static_cast<std::uint16_t>(5'001 + i), "a" + std::to_string(i));
  auto& server = p.w.server();
  const auto of = [&](std::size_t shard, counter what) {
    return server.shard(shard).stats.get(what);
  };
  const std::array<std::uint64_t, 2> before{of(0, counter::sessions_opened),
                                            of(1, counter::sessions_opened)};
  server.fault_place = "shard";
  p.w.client().app_sends(6'000, "x"); // the shard of its session fails
  p.w.pass(1'500ms);
  const std::size_t failed = of(0, counter::sessions_opened) > before[0] ? 0 : 1,
                    other = 1 - failed;
  // The other's streams are known to the new queue, too.
  p.w.queue_of = [failed](const traced& t) { return t.from_client ? failed : 0; };
  for (std::uint16_t i = 0; i < 16; ++i)
    p.w.client().app_sends(static_cast<std::uint16_t>(5'001 + i), "perhaps lost");
  p.w.pass(1s);
  for (std::uint16_t i = 0; i < 16; ++i)
    p.w.echo(static_cast<std::uint16_t>(5'001 + i), "b" + std::to_string(i));
  BOOST_TEST(of(other, counter::sessions_opened) == before.at(other));
}

BOOST_AUTO_TEST_CASE(what_waits_for_a_shard_that_failed_keeps_no_slab_of_another) {
  world_options o;
  o.server_shards = 2;
  world w{o};
  w.queue_of = [](const traced&) { return std::size_t{0}; };
  auto& server = w.server();
  constexpr std::uint16_t sessions = 16, first = 5'001;
  server.stuck = 1;
  for (std::uint16_t port = first; port < first + sessions; ++port)
    w.client().app_sends(port, "hello");
  w.run();
  const auto on_first = server.shard(0).stats.get(counter::sessions_opened);
  BOOST_TEST_REQUIRE(on_first > 0u);
  BOOST_TEST_REQUIRE(on_first < sessions);
  // What asks it for streams is lost with its supervisor; the queue that did knows nothing of that.
  server.instead_of_upstream = []() -> sys::result<std::shared_ptr<sys::datagram_socket>> {
    throw std::runtime_error("x");
  };
  server.stuck.reset();
  w.run();
  server.instead_of_upstream = nullptr;
  for (std::uint16_t port = first; port < first + sessions; ++port)
    w.client().app_sends_run(port, std::string(40'000, 'x'), 1'000);
  w.run();
  BOOST_TEST(server.shard(0).stats.get(counter::datagrams_out) == on_first * 41);
  BOOST_TEST(server.pool(0).in_use() <= 1u); // that which is being filled
  // Whoever waited begins anew, as where a hello is lost.
  w.pass(10s);
  for (std::uint16_t port = first; port < first + sessions; ++port)
    w.echo(port, "again " + std::to_string(port));
}

BOOST_AUTO_TEST_CASE(what_waited_for_a_stream_that_is_refused_goes_with_it) {
  world_options o;
  o.server_bounds.max_sessions = 1;
  world w{o};
  w.echo(5001, "a");
  w.trace.clear();
  w.client().app_sends(5002, "b");
  w.run();
  const auto resets = w.sent_with(flag::rst, false);
  BOOST_TEST_REQUIRE(resets.size() >= 1u);
  const auto port = resets.front().header.tuple.remote.port;
  w.pass(10s);
  const auto all = w.sent_with(flag::rst, false);
  BOOST_TEST(std::count_if(all.begin(), all.end(), [&](const traced& t) {
               return t.header.tuple.remote.port == port;
             }) == 1);
}

BOOST_AUTO_TEST_CASE(a_reader_pauses_while_the_pool_is_empty_and_goes_on_when_slabs_return) {
  world_options o;
  o.slabs = 3;
  world w{o};
  w.echo(5001, "a");
  auto& client = w.client();
  // Somebody holds all slabs.
  std::vector<sys::slab_ref> held;
  while (auto s = client.pool(0).take())
    held.push_back(s);
  const auto fd = client.listeners[0]->fd();
  for (int i = 0; i < 100; ++i)
    client.app_sends(5001, std::string(1'400, 'x'));
  w.run();
  BOOST_TEST(client.count(counter::slab_pool_empty) >= 1u);
  BOOST_TEST(!client.loop(0).watches(fd));
  BOOST_TEST(w.upstream_got().size() < 101u);
  held.clear();
  w.run();
  BOOST_TEST(client.loop(0).watches(fd));
  BOOST_TEST(w.upstream_got().size() == 101u);
}

BOOST_AUTO_TEST_CASE(a_reader_whose_own_batch_frees_the_slabs_goes_on_too) {
  // All that it read is dropped within the same wake-up: nothing else will ever return a slab.
  world_options o;
  o.slabs = 2;
  world w{o};
  const std::string full(60'000, 'x');
  for (int i = 0; i < 5; ++i)
    w.server().tuns[0]->push(bytes_of(full), {});
  w.run();
  BOOST_TEST(w.server().count(errc::bad_version) == 5u);
  w.client().app_sends_run(5001, std::string(50'000, 'y'), 1'000);
  w.run();
  // The same at a listener: what waits for its session is copied.
  w.lose = [](const auto&) { return true; };
  for (int i = 0; i < 5; ++i)
    w.client().app_sends(5002, full);
  w.run();
  BOOST_TEST(w.client().count(counter::datagrams_in) == 55u);
  w.lose = nullptr;
  w.pass(2s);
  w.echo(5001, "b");
}

BOOST_AUTO_TEST_SUITE_END()
