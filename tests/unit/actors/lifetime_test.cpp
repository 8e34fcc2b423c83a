#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <csignal>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;
using protocol::errc;
namespace flag = protocol::flag;

namespace {

using texts = std::vector<std::string>;

// Each of them has sent one datagram, at the same moment.
struct silent_sessions : world {
  static constexpr std::uint16_t sessions = 200;
  static constexpr std::uint16_t last_port = 6000 + sessions - 1;
  silent_sessions() : world(options()) {
    for (int port = 6000; port <= last_port; ++port) {
      client().app_sends(static_cast<std::uint16_t>(port), "a");
      run(); // one by one, which takes no time
    }
  }
  static world_options options() {
    world_options o;
    o.idle_timeout = 30s;
    return o;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(lifetime_test)

BOOST_AUTO_TEST_CASE(a_client_that_stops_closes_with_fin_and_ends_at_once) {
  world w;
  w.echo(5001, "a");
  w.echo(5002, "b");
  const auto asked = w.now;
  w.client().signal(SIGTERM);
  BOOST_TEST(w.until([&] { return w.client().ended(); }, 5s));
  BOOST_TEST((w.now - asked <= 100ms));
  BOOST_TEST(w.client().exit_code == 0);
  BOOST_TEST(w.sent_with(flag::fin, true).size() == 2u);
  BOOST_TEST(w.sent_with(flag::fin, false).size() == 2u);
  BOOST_TEST(w.client().count(counter::sessions_closed) == 2u);
  w.pass(20s);
  BOOST_TEST(w.server().actors_running() == 3u); // root, shard, tun_queue
  BOOST_TEST(w.server().count(counter::sessions_closed) == 2u);
}

BOOST_AUTO_TEST_CASE(a_server_that_stops_closes_with_fin_and_ends_at_once) {
  world w;
  w.echo(5001, "a");
  const auto asked = w.now;
  w.server().signal(SIGINT);
  BOOST_TEST(w.until([&] { return w.server().ended(); }, 5s));
  BOOST_TEST((w.now - asked <= 100ms));
  BOOST_TEST(w.server().exit_code == 0);
  BOOST_TEST(w.sent_with(flag::fin, false).size() == 1u);
  w.pass(20s);
  BOOST_TEST(w.client().actors_running() == 4u); // root, shard, tun_queue, listener
}

BOOST_AUTO_TEST_CASE(a_peer_that_does_not_answer_delays_the_stop_by_less_than_2_s) {
  for (const bool client : {true, false}) {
    world w;
    w.echo(5001, "a");
    w.lose = [](const auto&) { return true; };
    auto& p = client ? w.client() : w.server();
    p.signal(SIGTERM);
    BOOST_TEST(w.until([&] { return p.ended(); }, 2s), (client ? "client" : "server"));
    BOOST_TEST(w.sent_with(flag::fin, client).size() == 2u); // repeated once
  }
}

BOOST_AUTO_TEST_CASE(streams_that_wait_for_late_segments_do_not_delay_the_stop) {
  for (const bool client : {true, false}) {
    world_options o;
    o.idle_timeout = 30s;
    world w{o};
    w.echo(5001, "a");
    w.pass(30'100ms); // FIN both ways: one end is in TIME-WAIT
    auto& p = client ? w.client() : w.server();
    const auto asked = w.now;
    p.signal(SIGTERM);
    BOOST_TEST(w.until([&] { return p.ended(); }, 2s), (client ? "client" : "server"));
    BOOST_TEST((w.now - asked <= 100ms));
  }
}

BOOST_AUTO_TEST_CASE(a_closed_session_keeps_no_socket_while_it_answers_late_segments) {
  world_options o;
  o.idle_timeout = 30s;
  world w{o};
  w.echo(5001, "a");
  std::weak_ptr<test::socket> upstream = w.server().upstreams[0];
  w.server().upstreams.clear();
  w.pass(29s);
  BOOST_TEST(!upstream.expired());
  // The server's FIN is answered and its stream waits in TIME-WAIT.
  w.pass(1'100ms);
  BOOST_TEST(w.server().count(counter::sessions_closed) == 0u);
  BOOST_TEST(upstream.expired());
  w.pass(20s);
  BOOST_TEST(w.server().count(counter::sessions_closed) == 1u);
}

BOOST_AUTO_TEST_CASE(sessions_that_fall_silent_together_end_in_turn) {
  silent_sessions w;
  const auto ended = [&w] {
    return w.sent_with(flag::fin, true).size() + w.sent_with(flag::fin, false).size();
  };
  BOOST_TEST(w.until([&] { return ended() > 0; }, 31s));
  w.pass(10ms);
  BOOST_TEST(ended() <= w.sessions); // two FINs each
  w.pass(50ms);
  BOOST_TEST(ended() == 2u * w.sessions);
}

BOOST_AUTO_TEST_CASE(a_session_that_is_used_before_its_turn_to_end_goes_on) {
  silent_sessions w;
  BOOST_TEST(w.until([&] { return !w.sent_with(flag::fin, true).empty(); }, 31s));
  w.echo(w.last_port, "b");
  w.pass(1s);
  w.echo(w.last_port, "c");
  BOOST_TEST(w.client().count(counter::sessions_opened) == w.sessions);
}

BOOST_AUTO_TEST_CASE(a_session_that_lost_its_stream_before_its_turn_to_end_goes_on_with_another) {
  silent_sessions w;
  auto reset = sys::memory_packet_device::written_segment{};
  const auto last = w.sent_with(flag::ack, false).back(); // of the last session
  reset.header = last.header;
  reset.header.seq = last.header.seq + static_cast<std::uint32_t>(last.payload.size());
  reset.header.flags = flag::rst | flag::ack;
  BOOST_TEST(w.until([&] { return !w.sent_with(flag::fin, true).empty(); }, 31s));
  w.client().tuns[0]->push(reset);
  w.lose = [](const traced& t) { return t.has(flag::syn); };
  w.client().app_sends(w.last_port, "asks for a stream");
  w.pass(500ms);
  w.lose = {};
  w.pass(2s);
  w.echo(w.last_port, "c");
  BOOST_TEST(w.client().count(counter::sessions_opened) == w.sessions);
}

BOOST_AUTO_TEST_CASE(stopping_while_the_handshake_is_under_way_ends_at_once) {
  world w;
  w.lose = [](const auto&) { return true; };
  w.client().app_sends(5001, "a");
  w.run();
  const auto asked = w.now;
  w.client().signal(SIGTERM);
  BOOST_TEST(w.until([&] { return w.client().ended(); }, 5s));
  BOOST_TEST((w.now - asked <= 100ms));
}

BOOST_AUTO_TEST_CASE(usr1_reports_and_nothing_ends) {
  world w;
  w.client().signal(SIGUSR1);
  w.run();
  BOOST_TEST(w.client().reports == 1);
  w.echo(5001, "a");
}

BOOST_AUTO_TEST_CASE(after_a_restart_of_the_server_the_next_datagrams_bring_the_client_back) {
  world w;
  w.echo(5001, "a");
  w.restart_server();
  // Draws the RST of a server that knows nothing of it; what follows is carried again.
  w.client().app_sends(5001, "lost");
  w.pass(100ms);
  w.echo(5001, "b");
  BOOST_TEST(w.client().count(counter::sessions_opened) == 1u);
  BOOST_TEST(w.server().upstreams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_restarted_client_gets_a_session_of_its_own) {
  world w;
  w.echo(5001, "a");
  w.restart_client();
  w.echo(5001, "b");
  BOOST_TEST(w.server().upstreams.size() == 2u);
  // The old one dies of silence (3.5 keepalive intervals) and then of idleness.
  w.pass(300s);
  BOOST_TEST(w.server().count(counter::sessions_closed) >= 1u);
}

BOOST_AUTO_TEST_CASE(a_silent_stream_is_replaced_on_a_new_port_and_the_upstream_sees_no_change) {
  world w;
  w.echo(5001, "a");
  const auto old_port = w.trace.front().header.tuple.local.port;
  w.lose = [&](const traced& t) {
    const auto& tuple = t.header.tuple;
    return (t.from_client ? tuple.local.port : tuple.remote.port) == old_port;
  };
  w.client().app_sends(5001, "lost");
  w.pass(6s); // 3 s without an answer, and a probe of 1 s
  w.echo(5001, "b");
  BOOST_TEST(w.server().upstreams.size() == 1u);
  BOOST_TEST(w.client().count(counter::streams_opened) == 2u);
  w.pass(20s); // the old one's end
  w.echo(5001, "c");
  BOOST_TEST(w.server().upstreams.size() == 1u);
  BOOST_TEST(w.client().count(counter::streams_ended) == 1u);
}

BOOST_AUTO_TEST_CASE(a_syn_without_an_answer_is_repeated_on_another_port_and_given_up_after_30_s) {
  world w;
  w.lose = [](const auto&) { return true; };
  w.client().app_sends(5001, "a");
  w.pass(40s);
  BOOST_TEST(w.sent_with(flag::syn, true).size() == 2 * 4 * 4u); // two times four ports
  BOOST_TEST(w.sent_with(flag::syn, true).front().header.tuple.local.port !=
             w.sent_with(flag::syn, true).back().header.tuple.local.port);
  BOOST_TEST(w.client().actors_running() == 4u);
  w.lose = nullptr;
  w.echo(5001, "b"); // the next datagram starts anew
}

BOOST_AUTO_TEST_CASE(only_what_has_opened_counts_as_opened_and_as_closed) {
  world w;
  w.lose = [](const auto&) { return true; };
  w.client().app_sends(5001, "a");
  w.pass(40s); // given up
  for (const auto of : {counter::sessions_opened, counter::sessions_closed, counter::streams_opened,
                        counter::streams_ended})
    BOOST_TEST(w.client().count(of) == 0u);
  w.lose = nullptr;
  w.echo(5001, "b");
  for (auto* end : {&w.client(), &w.server()}) {
    BOOST_TEST(end->count(counter::sessions_opened) == 1u);
    BOOST_TEST(end->count(counter::streams_opened) == 1u);
    BOOST_TEST(end->count(counter::sessions_closed) == 0u);
    BOOST_TEST(end->count(counter::streams_ended) == 0u);
  }
}

BOOST_AUTO_TEST_CASE(datagrams_wait_for_the_remotes_name) {
  world_options o;
  o.client_resolve_failures = 2;
  world w{o};
  const log_tail log;
  w.client().app_sends(5001, "a");
  w.run();
  BOOST_TEST(w.client().resolve_calls == 1);
  w.pass(1'100ms);
  BOOST_TEST(w.client().resolve_calls == 2);
  w.client().app_sends(5001, "b");
  w.pass(1'100ms);
  BOOST_TEST(w.client().resolve_calls == 3);
  BOOST_TEST(w.upstream_got() == texts{"b"}, boost::test_tools::per_element()); // "a" is too old
}

BOOST_AUTO_TEST_CASE(sessions_without_a_remote_end_after_the_idle_timeout) {
  world_options o;
  o.client_resolve_failures = 1'000;
  o.idle_timeout = 30s;
  world w{o};
  w.client().app_sends(5001, "a");
  w.pass(31s);
  BOOST_TEST(w.client().actors_running() == 4u);
}

BOOST_AUTO_TEST_CASE(a_hello_for_a_session_of_another_shard_is_handed_over) {
  world_options o;
  o.server_shards = 2;
  world w{o};
  for (std::uint16_t i = 0; i < 16; ++i)
    w.echo(static_cast<std::uint16_t>(5'001 + i), std::to_string(i));
  // Session ids are random: both shards have some, and all arrived on queue 0 first.
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(w.server().shard(i).stats.get(counter::sessions_opened) > 0u);
  BOOST_TEST(w.server().count(counter::sessions_opened) == 16u);
}

BOOST_AUTO_TEST_CASE(a_packet_on_the_wrong_queue_reaches_its_stream) {
  world_options o;
  o.client_shards = 2;
  o.server_shards = 2;
  world w{o};
  w.client().app_sends(5002, "x", 1);
  w.run();
  std::size_t turn = 0;
  w.queue_of = [&](const traced&) { return turn++ % 2; };
  for (int i = 0; i < 20; ++i)
    w.echo(5001, std::to_string(i));
  BOOST_TEST(w.client().count(counter::streams_opened) == 2u);
  BOOST_TEST(w.server().upstreams.size() == 2u);
  for (auto* p : {&w.client(), &w.server()})
    for (std::size_t i = 0; i < 2; ++i)
      BOOST_TEST(p->shard(i).stats.get(counter::tun_packets_in) >= 3u);
}

BOOST_AUTO_TEST_CASE(routes_on_all_shards_go_with_their_stream) {
  world_options o;
  o.server_shards = 2;
  o.idle_timeout = 30s;
  world w{o};
  w.echo(5001, "a");
  sys::memory_packet_device::written_segment late;
  late.header = w.sent_with(flag::psh, true).back().header;
  late.header.ack = late.header.ack + 1'000; // proves nothing
  late.payload = bytes_of("late");
  late.datagram_size = 4;
  w.pass(60s);
  for (auto& queue : w.server().tuns) {
    w.trace.clear();
    queue->push(late);
    w.run();
    BOOST_TEST_REQUIRE(w.trace.size() >= 1u);
    BOOST_TEST(w.trace[0].has(flag::rst)); // as to any stranger
  }
}

BOOST_AUTO_TEST_CASE(a_peer_cannot_pile_up_streams_of_one_session) {
  world w;
  w.echo(5001, "a");
  const auto hello = w.sent_with(flag::psh, true).front();
  auto another = *protocol::parse_hello(hello.payload);
  w.lose = [](const auto&) { return true; };
  const auto before = w.server().actors_running();
  for (std::uint16_t port = 20'000; port < 20'050; ++port) {
    sys::memory_packet_device::written_segment s;
    s.header = hello.header;
    s.header.tuple.local.port = port;
    s.header.seq = s.header.seq - 1;
    s.header.ack = {};
    s.header.flags = flag::syn;
    s.header.mss = 1'460;
    w.server().tuns[0]->push(s);
    w.run();
    s.header.ack = w.trace.back().header.seq + 1;
    s.header.seq = hello.header.seq;
    s.header.flags = flag::ack | flag::psh;
    ++another.counter; // it has the session's secret
    const auto payload = protocol::encode_hello(another, another.secret);
    s.payload.assign(payload.begin(), payload.end());
    s.datagram_size = static_cast<std::uint32_t>(s.payload.size());
    w.server().tuns[0]->push(s);
    w.run();
  }
  BOOST_TEST(w.server().actors_running() > before);
  BOOST_TEST(w.server().actors_running() < before + 10);
  BOOST_TEST(w.server().upstreams.size() == 1u);
  w.lose = nullptr;
  w.pass(15s);
  w.echo(5001, "b");
}

BOOST_AUTO_TEST_CASE(ended_sessions_leave_nothing_behind) {
  world_options o;
  o.idle_timeout = 30s;
  world w{o};
  const auto client_actors = w.client().actors_running();
  const auto server_actors = w.server().actors_running();
  for (int round = 0; round < 3; ++round) {
    for (std::uint16_t i = 0; i < 50; ++i)
      w.echo(static_cast<std::uint16_t>(5'000 + i),
             std::to_string(round) + "." + std::to_string(i));
    w.pass(60s);
    BOOST_TEST(w.client().actors_running() == client_actors);
    BOOST_TEST(w.server().actors_running() == server_actors);
    BOOST_TEST(w.client().loop(0).timers().armed_count() == 0u);
    BOOST_TEST(w.server().loop(0).timers().armed_count() == 0u);
    // The writer's open one.
    BOOST_TEST(w.client().pool(0).in_use() <= 1u);
    BOOST_TEST(w.server().pool(0).in_use() <= 1u);
  }
  for (const auto& u : w.server().upstreams)
    BOOST_TEST(u.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
