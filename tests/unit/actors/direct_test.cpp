#include "actors/operations/status_collector.hpp"
#include "actors/shard/tunnel_health.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;
namespace flag = protocol::flag;

namespace {

struct direct_world : world {
  explicit direct_world(world_options options = {}) : world(with_path(options)) {}
  static world_options with_path(world_options options) {
    options.client_direct = true;
    return options;
  }
  /// The addresses that the client's packets with these flags have had.
  std::set<std::string> sources(std::uint8_t flags) const {
    std::set<std::string> out;
    for (const auto& t : sent_with(flags, true))
      out.insert(t.header.tuple.local.address.to_string());
    return out;
  }
  std::string cause() {
    auto& shard = client().shard(0);
    return shard.health_of(client().tunnel())->summary(*client().tunnel(), now).cause;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(direct_test)

BOOST_AUTO_TEST_CASE(packets_have_the_address_that_the_route_says_and_never_the_tuns) {
  direct_world w;
  w.echo(4'000, "hello");
  BOOST_TEST(w.sources(0).size() == 1u);
  BOOST_TEST(*w.sources(0).begin() == "10.1.0.10");
}

BOOST_AUTO_TEST_CASE(a_connection_is_taken_before_its_syn_and_released_when_it_is_forgotten) {
  direct_world w;
  bool before = true;
  w.lose = [&](const traced& t) {
    if (t.from_client && t.has(flag::syn)) {
      const auto& taken = w.client().direct.taken;
      before = before && std::find(taken.begin(), taken.end(), t.header.tuple) != taken.end();
    }
    return false;
  };
  w.echo(4'000, "hello");
  BOOST_TEST(before);
  BOOST_TEST(w.client().direct.taken.size() == 1u);
  w.pass(10min); // the session ends idle
  BOOST_TEST(w.client().direct.taken.empty());
}

BOOST_AUTO_TEST_CASE(a_port_of_the_hosts_own_tcp_is_not_chosen) {
  direct_world w;
  std::vector<std::uint16_t> refused;
  w.client().tcp.busy = [&](const protocol::four_tuple& t) {
    if (refused.size() >= 3) return false;
    refused.push_back(t.local.port);
    return true;
  };
  w.echo(4'000, "hello");
  BOOST_TEST(refused.size() == 3u);
  for (const auto& t : w.trace)
    if (t.from_client)
      BOOST_TEST(std::count(refused.begin(), refused.end(), t.header.tuple.local.port) == 0);
}

BOOST_AUTO_TEST_CASE(a_session_moves_at_once_to_the_new_address_and_keeps_its_upstream_port) {
  for (const std::size_t streams : {1, 3}) {
    world_options options;
    options.streams = streams;
    direct_world w{options};
    w.echo(4'000, "before");
    w.pass(1s);
    const log_tail log;
    w.client().ways_are({process::way_from(20)});
    w.pass(1s);
    w.echo(4'000, "after");
    BOOST_TEST(w.server().upstreams.size() == 1u);
    BOOST_TEST(w.server().count(counter::sessions_moved) >= 1u);
    BOOST_TEST(log.matching("goes on from 10.1.0.20:") == streams);
    BOOST_TEST(log.matching("leave from 10.1.0.20 (eth20) now, in place of 10.1.0.10 (eth10)") ==
               1u);
    w.trace.clear();
    w.echo(4'000, "still");
    BOOST_TEST(w.sources(0).count("10.1.0.10") == 0u);
    w.pass(1min); // those of the old address are forgotten
    BOOST_TEST(w.client().direct.taken.size() == streams);
  }
}

BOOST_AUTO_TEST_CASE(all_sessions_move_on_every_shard) {
  world_options options;
  options.client_shards = 2;
  options.server_shards = 2;
  direct_world w{options};
  for (std::uint16_t i = 0; i < 20; ++i) {
    w.client().app_sends(static_cast<std::uint16_t>(4'000 + i), "x", i % 2);
  }
  w.pass(1s);
  w.client().ways_are({process::way_from(20)});
  w.pass(1min);
  const auto& taken = w.client().direct.taken;
  BOOST_TEST(taken.size() == 20u);
  BOOST_TEST(std::all_of(taken.begin(), taken.end(),
                         [](const auto& t) { return t.local.address.to_string() == "10.1.0.20"; }));
  BOOST_TEST(w.server().upstreams.size() == 20u);
}

BOOST_AUTO_TEST_CASE(a_route_that_goes_and_comes_back_leaves_sessions_as_they_were) {
  direct_world w;
  w.echo(4'000, "before");
  auto none = process::way_from(10);
  none.source = {};
  w.client().ways_are({none});
  w.pass(1s);
  w.client().ways_are({process::way_from(10)});
  w.pass(1s);
  w.echo(4'000, "after");
  BOOST_TEST(w.sent_with(flag::syn, true).size() == 1u);
}

BOOST_AUTO_TEST_CASE(without_a_route_the_health_says_so_and_what_waits_opens_with_the_route) {
  direct_world w;
  auto none = process::way_from(10);
  none.source = {};
  w.client().ways_are({none});
  w.pass(1s);
  w.client().app_sends(4'000, "early");
  w.pass(5s);
  BOOST_TEST(w.sent_with(flag::syn, true).empty());
  BOOST_TEST(w.cause() == "no_route");
  w.client().ways_are({process::way_from(10)});
  w.pass(500ms);
  w.echo(4'000, "late");
  BOOST_TEST(w.cause() == "");
}

BOOST_AUTO_TEST_CASE(a_full_map_is_counted_and_told_and_tried_again) {
  direct_world w;
  w.client().direct.room = 1;
  w.echo(4'000, "first");
  w.client().app_sends(4'001, "second");
  w.pass(5s);
  BOOST_TEST(w.client().count(counter::direct_path_full) > 1u);
  w.client().direct.room = 100;
  w.pass(10s);
  w.echo(4'001, "third");
}

BOOST_AUTO_TEST_CASE(where_nothing_is_taken_at_all_the_cause_is_told) {
  direct_world w;
  w.client().direct.room = 0;
  w.client().app_sends(4'000, "first");
  w.pass(5s);
  BOOST_TEST(w.cause() == "not_taken");
}

BOOST_AUTO_TEST_CASE(phantun_streams_move_too) {
  world_options options;
  options.wire = actors::wire_choice::phantun;
  direct_world w{options};
  w.echo(4'000, "before");
  w.client().ways_are({process::way_from(20)});
  w.pass(1s);
  w.trace.clear();
  w.echo(4'000, "after");
  BOOST_TEST(w.sources(0).count("10.1.0.10") == 0u);
}

BOOST_AUTO_TEST_CASE(a_group_of_older_streams_moves_as_a_whole) {
  world_options options;
  options.wire = actors::wire_choice::tonel;
  options.streams = 3;
  direct_world w{options};
  w.echo(4'000, "before");
  w.pass(2s);
  w.client().ways_are({process::way_from(20)});
  w.pass(2min);
  w.echo(4'000, "after");
  const auto& taken = w.client().direct.taken;
  BOOST_TEST(taken.size() == 3u);
  BOOST_TEST(std::all_of(taken.begin(), taken.end(),
                         [](const auto& t) { return t.local.address.to_string() == "10.1.0.20"; }));
}

BOOST_AUTO_TEST_CASE(the_first_connection_waits_until_the_way_is_known) {
  world_options options;
  options.client_host_hangs = true;
  direct_world w{options};
  w.client().app_sends(4'000, "early");
  w.pass(500ms);
  BOOST_TEST(w.sent_with(flag::syn, true).empty());
  w.client().host_answers();
  w.pass(100ms);
  BOOST_TEST(w.upstream_got() == std::vector<std::string>{"early"});
}

BOOST_AUTO_TEST_SUITE_END()
