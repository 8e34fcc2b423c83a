#include "protocol/run.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;
using protocol::errc;
namespace flag = protocol::flag;

namespace {

using texts = std::vector<std::string>;

} // namespace

BOOST_AUTO_TEST_SUITE(tunnel_test)

BOOST_AUTO_TEST_CASE(the_first_datagram_is_delivered) {
  world w;
  w.client().app_sends(5001, "hello");
  w.run();
  BOOST_TEST(w.upstream_got() == texts{"hello"}, boost::test_tools::per_element());
  BOOST_TEST(w.server().count(counter::sessions_opened) == 1u);
}

BOOST_AUTO_TEST_CASE(datagrams_before_the_session_is_open_arrive_in_order_in_one_session) {
  world w;
  for (const auto* text : {"one", "two", "three"})
    w.client().app_sends(5001, text);
  w.run();
  BOOST_TEST(w.upstream_got() == (texts{"one", "two", "three"}), boost::test_tools::per_element());
  BOOST_TEST(w.client().count(counter::sessions_opened) == 1u);
  BOOST_TEST(w.server().upstreams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_zero_length_datagram_stays_one) {
  world w;
  w.echo(5001, "a");
  w.client().app_sends(5001, "");
  w.client().app_sends(5001, "b");
  w.run();
  BOOST_TEST(w.upstream_got() == (texts{"a", "", "b"}), boost::test_tools::per_element());
  w.server().upstreams[0]->memory.push({}, {});
  w.run();
  BOOST_TEST(w.client().app_got(5001).back() == "");
  // As the first of its session, too.
  w.client().app_sends(5002, "");
  w.run();
  BOOST_TEST(w.server().upstreams.at(1)->texts() == texts{""}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(replies_go_to_the_application_from_the_address_that_it_sent_to) {
  world w;
  w.echo(5001, "x");
  w.echo(5002, "y");
  BOOST_TEST(w.client().app_got(5001) == texts{"re:x"}, boost::test_tools::per_element());
  BOOST_TEST(w.client().app_got(5002) == texts{"re:y"}, boost::test_tools::per_element());
  const auto& path = w.client().listeners[0]->memory.sent.front().path;
  BOOST_TEST((path.local == protocol::ip_address::v4(10, 0, 0, 2)));
  BOOST_TEST(path.interface == 3u);
  BOOST_TEST(w.server().upstreams.size() == 2u);
}

BOOST_AUTO_TEST_CASE(the_key_changes_datagrams_and_nothing_else) {
  world_options o;
  o.key = "secret";
  world w{o};
  w.echo(5001, std::string(6, '\0') + "secret");
  bool hello = false;
  std::vector<octets> seen;
  for (const auto& t : w.trace) {
    const bool has_magic = t.payload.size() > 12;
    hello = hello || has_magic;
    if (!t.payload.empty() && !has_magic) seen.push_back(t.payload);
  }
  BOOST_TEST(hello);
  BOOST_TEST_REQUIRE(!seen.empty());
  BOOST_TEST((seen.front() == bytes_of("secret" + std::string(6, '\0'))));
  // In runs, each datagram starts at the key's first octet; the pending copies, too.
  w.trace.clear();
  w.client().app_sends_run(5001, std::string(4 * 100 + 50, '\0'), 100);
  w.run();
  BOOST_TEST_REQUIRE(w.trace.size() >= 1u);
  const auto& run = w.trace[0].payload;
  BOOST_TEST_REQUIRE(run.size() == 450u);
  for (std::size_t i = 0; i < run.size(); ++i)
    BOOST_TEST(run[i] == o.key[i % 100 % 6]);
  w.server().upstreams[0]->memory.push({{}, octets(300, 'r'), 100});
  w.client().app_sends(5001, "");
  w.run();
  BOOST_TEST(w.upstream_got().size() == 7u);
  BOOST_TEST(w.upstream_got()[1] == std::string(100, '\0'));
  BOOST_TEST(w.upstream_got()[5] == std::string(50, '\0'));
  BOOST_TEST(w.client().app_got(5001).back() == std::string(100, 'r'));
}

BOOST_AUTO_TEST_CASE(handshake_packets_go_ahead_and_reach_nobody) {
  for (const auto& [ours, theirs] :
       {std::pair{std::string{"GET / HTTP/1.1"}, std::string{"HTTP/1.1 200 OK"}},
        std::pair{std::string(1'460, 'c'), std::string{}},
        std::pair{std::string{}, std::string(1'460, 's')}}) {
    world_options o;
    o.client_packet = ours;
    o.server_packet = theirs;
    o.key = "secret"; // leaves them alone
    world w{o};
    w.echo(5001, "a");
    w.echo(5001, "b");
    for (const bool client : {true, false}) {
      const auto& packet = client ? ours : theirs;
      const auto first = std::find_if(w.trace.begin(), w.trace.end(), [&](const traced& t) {
        return t.from_client == client && !t.payload.empty();
      });
      BOOST_TEST_REQUIRE((first != w.trace.end()));
      if (!packet.empty()) BOOST_TEST((first->payload == bytes_of(packet)));
    }
    BOOST_TEST(w.upstream_got() == (texts{"a", "b"}), boost::test_tools::per_element());
    BOOST_TEST(w.client().app_got(5001) == (texts{"re:a", "re:b"}),
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_lost_handshake_packet_is_no_datagram_when_it_comes_again) {
  world_options o;
  o.client_packet = "GET / HTTP/1.1";
  world w{o};
  bool lost = false;
  w.lose = [&](const traced& t) {
    const bool hit = !lost && t.from_client && t.payload == bytes_of("GET / HTTP/1.1");
    lost = lost || hit;
    return hit;
  };
  w.client().app_sends(5001, "a");
  w.pass(10s);
  w.echo(5001, "b");
  BOOST_TEST(lost);
  BOOST_TEST(w.upstream_got() == (texts{"a", "b"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_datagram_that_does_not_fit_is_dropped_counted_and_logged_once) {
  world w;
  const log_tail log;
  w.echo(5001, "a");
  w.client().app_sends(5001, std::string(1'461, 'x'));
  w.client().app_sends(5001, std::string(1'461, 'x'));
  w.client().app_sends(5001, std::string(1'460, 'y'));
  w.run();
  w.client().app_sends(5001, std::string(9'000, 'x'));
  w.run();
  BOOST_TEST(w.upstream_got().size() == 2u);
  BOOST_TEST(w.upstream_got().back() == std::string(1'460, 'y'));
  BOOST_TEST(w.client().count(errc::too_large) == 3u);
  BOOST_TEST(log.matching("does not fit") == 1u);
  BOOST_TEST(log.matching("the largest that does has 1460") == 1u);
}

BOOST_AUTO_TEST_CASE(datagrams_of_one_size_make_one_super_segment) {
  world w;
  w.echo(5001, "a");
  w.trace.clear();
  for (int i = 0; i < 20; ++i)
    w.client().app_sends(5001, std::string(1'000, static_cast<char>('a' + i)));
  w.client().app_sends(5001, "short");
  w.client().app_sends(5001, std::string(1'000, 'z'));
  w.run();
  BOOST_TEST_REQUIRE(w.trace.size() >= 2u);
  BOOST_TEST(w.trace[0].payload.size() == 20'005u);
  BOOST_TEST(w.trace[0].datagram_size == 1'000u);
  BOOST_TEST(w.trace[1].payload.size() == 1'000u);
  // PSH on each would keep GRO from merging them.
  BOOST_TEST(!w.trace[0].has(flag::psh));
  BOOST_TEST(w.trace[1].has(flag::psh));
  const auto got = w.upstream_got();
  BOOST_TEST_REQUIRE(got.size() == 23u);
  for (std::size_t i = 0; i < 20; ++i)
    BOOST_TEST(got[i + 1] == std::string(1'000, static_cast<char>('a' + i)));
  BOOST_TEST(got[21] == "short");
  const auto& runs = w.server().upstreams[0]->memory.sent;
  BOOST_TEST(runs.size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_run_is_cut_at_64_segments_and_at_64_kib) {
  world w;
  w.echo(5001, "a");
  w.trace.clear();
  w.client().app_sends_run(5001, std::string(100 * 10, 'x'), 10);
  w.client().app_sends_run(5001, std::string(60 * 1'400, 'y').substr(0, 46 * 1'400), 1'400);
  w.client().app_sends_run(5001, std::string(14 * 1'400, 'y'), 1'400);
  w.run();
  for (const auto& t : w.trace) {
    BOOST_TEST(t.payload.size() + 40 <= 65'535u);
    BOOST_TEST(protocol::datagrams_in(static_cast<std::uint32_t>(t.payload.size()),
                                      t.datagram_size) <= 64u);
  }
  BOOST_TEST(w.upstream_got().size() == 161u);
}

BOOST_AUTO_TEST_CASE(a_session_that_only_answers_late_segments_takes_nobodys_place) {
  world_options o;
  o.idle_timeout = 30s;
  o.server_bounds.max_sessions = 1;
  world w{o};
  w.echo(5001, "a");
  w.pass(30'100ms); // the server's stream is in TIME-WAIT
  BOOST_TEST(w.server().count(counter::sessions_closed) == 0u);
  w.echo(5002, "b");
  BOOST_TEST(w.server().count(counter::session_refused) == 0u);
}

BOOST_AUTO_TEST_CASE(a_server_at_its_limit_refuses_with_a_reset_and_keeps_the_others) {
  world_options o;
  o.server_bounds.max_sessions = 1;
  world w{o};
  w.echo(5001, "a");
  w.client().app_sends(5002, "b");
  w.run();
  BOOST_TEST(w.server().count(counter::session_refused) >= 1u);
  BOOST_TEST(w.sent_with(flag::rst, false).size() >= 1u);
  BOOST_TEST(w.server().upstreams.size() == 1u);
  w.echo(5001, "c");
  // It is not tried for ever, nor without a pause.
  w.pass(60s);
  BOOST_TEST(w.server().count(counter::session_refused) < 25u);
  const auto tries = w.server().count(counter::session_refused);
  w.pass(60s);
  BOOST_TEST(w.server().count(counter::session_refused) == tries);
}

BOOST_AUTO_TEST_CASE(an_address_has_as_many_sessions_with_several_queues_as_with_one) {
  world_options o;
  o.client_shards = o.server_shards = 4;
  for (const bool client : {true, false}) {
    BOOST_TEST_CONTEXT((client ? "client" : "server")) {
      (client ? o.client_bounds : o.server_bounds).max_sessions_per_source = 3;
      world w{o};
      auto& bounded = client ? w.client() : w.server();
      for (std::uint16_t i = 0; i < 8; ++i) {
        w.client().app_sends(static_cast<std::uint16_t>(5'001 + i), "a", i % 4);
        w.client().app_sends(static_cast<std::uint16_t>(5'001 + i), "b", i % 4);
        w.run();
        for (const auto& upstream : w.server().upstreams)
          for (int answers = 0; answers < 2; ++answers)
            upstream->memory.push({}, test::bytes_of("re:"));
        w.run();
      }
      BOOST_TEST(bounded.count(counter::sessions_opened) == 3u);
      BOOST_TEST(bounded.count(counter::session_refused) >= 5u);
    }
    o.client_bounds = {};
  }
}

BOOST_AUTO_TEST_CASE(an_upstream_socket_that_does_not_open_refuses_the_session) {
  world w;
  const log_tail log;
  w.server().instead_of_upstream = [] {
    return sys::result<std::shared_ptr<sys::datagram_socket>>{
        unexpected{sys::os_error{EMFILE, "socket", {}}}};
  };
  w.client().app_sends(5001, "a");
  w.pass(1s);
  BOOST_TEST(w.server().count(counter::session_refused) >= 1u);
  BOOST_TEST(log.matching("for want of a UDP socket") == 1u);
  w.server().instead_of_upstream = nullptr;
  w.pass(5s);
  w.echo(5001, "b");
}

BOOST_AUTO_TEST_CASE(an_idle_session_closes_with_fin_from_both_sides) {
  world_options o;
  o.idle_timeout = 30s;
  world w{o};
  w.echo(5001, "a");
  const auto client_actors = w.client().actors_running();
  w.trace.clear();
  w.pass(29s);
  BOOST_TEST(w.sent_with(flag::fin, true).empty());
  w.pass(2s);
  BOOST_TEST(w.sent_with(flag::fin, true).size() == 1u);
  BOOST_TEST(w.sent_with(flag::fin, false).size() == 1u);
  w.pass(11s);
  BOOST_TEST(w.client().count(counter::sessions_closed) == 1u);
  BOOST_TEST(w.server().count(counter::sessions_closed) == 1u);
  BOOST_TEST(w.client().actors_running() == client_actors - 2);
  BOOST_TEST(w.server().actors_running() == 3u); // root, shard, tun_queue
  BOOST_TEST(w.server().upstreams[0].use_count() == 1);
  w.echo(5001, "b");
  BOOST_TEST(w.server().upstreams.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_datagram_while_the_old_session_closes_makes_a_new_one) {
  world_options o;
  o.idle_timeout = 30s;
  world w{o};
  w.echo(5001, "a");
  w.pass(30'050ms); // closing, in TIME-WAIT
  BOOST_TEST(w.sent_with(flag::fin, true).size() == 1u);
  w.echo(5001, "b");
  w.pass(12s); // the old one's end must not touch it
  w.echo(5001, "c");
  BOOST_TEST(w.server().upstreams.size() == 2u);
  BOOST_TEST(w.client().count(counter::sessions_opened) == 2u);
}

BOOST_AUTO_TEST_CASE(keepalives_hold_an_idle_session) {
  world_options o;
  o.idle_timeout = 600s;
  world w{o};
  w.echo(5001, "a");
  w.pass(300s);
  w.echo(5001, "b");
  BOOST_TEST(w.client().count(counter::streams_opened) == 1u);
}

BOOST_AUTO_TEST_CASE(several_streams_share_a_session) {
  world_options o;
  o.streams = 3;
  world w{o};
  w.echo(5001, "a");
  BOOST_TEST(w.server().count(counter::streams_opened) == 3u);
  BOOST_TEST(w.server().upstreams.size() == 1u);
  w.trace.clear();
  for (int i = 0; i < 6; ++i)
    w.echo(5001, std::to_string(i));
  std::vector<std::uint16_t> ports;
  for (const auto& t : w.trace)
    if (t.from_client && !t.payload.empty()) ports.push_back(t.header.tuple.local.port);
  std::sort(ports.begin(), ports.end());
  ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
  BOOST_TEST(ports.size() == 3u);
}

BOOST_AUTO_TEST_CASE(many_sessions_never_share_a_port) {
  world_options o;
  world w{o};
  for (std::uint16_t i = 0; i < 2'000; ++i)
    w.client().app_sends(static_cast<std::uint16_t>(5'000 + i), std::to_string(i));
  w.pass(100ms);
  BOOST_TEST(w.server().upstreams.size() == 2'000u);
  BOOST_TEST(w.upstream_got().size() == 2'000u);
  std::vector<std::uint16_t> ports;
  for (const auto& t : w.sent_with(flag::syn, true))
    ports.push_back(t.header.tuple.local.port);
  std::sort(ports.begin(), ports.end());
  BOOST_TEST((std::adjacent_find(ports.begin(), ports.end()) == ports.end()));
}

BOOST_AUTO_TEST_CASE(a_client_without_a_free_port_says_so_and_goes_on_when_there_is_one) {
  world w;
  const log_tail log;
  std::vector<actors::port_pool::lease> all;
  while (auto port = w.client().shard(0).take_port())
    all.push_back(std::move(port));
  BOOST_TEST(all.size() == actors::port_pool::in_all);
  w.client().app_sends(5001, "waits");
  w.pass(2s);
  BOOST_TEST(log.matching("no TCP port is free") == 1u);
  BOOST_TEST(w.trace.empty());
  BOOST_TEST(w.client().count(counter::session_refused) == 1u); // before there was work in it
  BOOST_TEST(log.matching("all 28232 TCP ports") == 1u);
  all.clear();
  BOOST_TEST(w.until(
      [&] {
        w.client().app_sends(5001, "goes");
        return !w.upstream_got().empty();
      },
      30s));
}

BOOST_AUTO_TEST_CASE(wake_ups_use_the_memory_of_those_before) {
  world w;
  w.echo(5001, "a");
  for (int i = 0; i < 10; ++i) {
    w.client().app_sends(5001, "b");
    w.run();
    // Gathered and planned as runs at either end: all that was lent is back.
    BOOST_TEST(w.client().shard(0).spare_chunks.size() >= 2u);
    BOOST_TEST(w.client().shard(0).spare_outgoing.size() >= 1u);
    BOOST_TEST(w.server().shard(0).spare_inbound.size() >= 1u);
    BOOST_TEST(w.server().shard(0).spare_chunks.size() >= 2u);
  }
}

BOOST_AUTO_TEST_SUITE_END()
