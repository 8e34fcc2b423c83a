#include "actors/operations/status_line.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <csignal>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

using texts = std::vector<std::string>;

world_options watched(protocol::duration interval, std::size_t shards = 2) {
  world_options o;
  o.client_shards = shards;
  o.watchdog = interval;
  return o;
}

} // namespace

BOOST_AUTO_TEST_SUITE(service_test)

BOOST_AUTO_TEST_CASE(the_service_is_ready_once_when_all_shards_are_up) {
  world w{watched(0s)};
  BOOST_TEST((w.client().service.said == texts{"ready"}));
  BOOST_TEST((w.client().service.statuses == texts{"running"}));
  // A shard that is started again is no second start of the service.
  w.client().tuns[0]->read_error = EBADFD;
  w.client().tuns[0]->push(octets(40));
  w.pass(1s);
  BOOST_TEST((w.client().service.said == texts{"ready"}));
}

BOOST_AUTO_TEST_CASE(the_end_is_announced) {
  world w{watched(0s)};
  w.client().signal(SIGTERM);
  w.pass(2s);
  BOOST_TEST(w.client().ended());
  BOOST_TEST((w.client().service.said == texts{"ready", "stopping"}));
}

BOOST_AUTO_TEST_CASE(a_reload_is_announced_and_its_end) {
  world w{watched(0s)};
  w.client().reload({{w.client().tunnel()}, {}, ""});
  w.run();
  BOOST_TEST((w.client().service.said == texts{"ready", "reloading", "ready"}));
  w.echo(5001, "works");
  // One that fails, and one that changes something.
  w.client().service.said.clear();
  w.client().reload({{}, {"a.conf:1: mtu 5: must be 576 to 65535"}, ""});
  w.run();
  BOOST_TEST((w.client().service.said == texts{"reloading", "ready"}));
  auto other = *w.client().tunnel();
  other.idle_timeout = 30s;
  w.client().service.said.clear();
  w.client().reload({{std::make_shared<const actors::tunnel_config>(other)}, {}, ""});
  w.run();
  BOOST_TEST((w.client().service.said == texts{"reloading", "ready"}));
}

BOOST_AUTO_TEST_CASE(sigusr2_opens_the_log_again) {
  world w;
  w.client().signal(SIGUSR2);
  w.run();
  BOOST_TEST(w.client().reopened == 1);
}

BOOST_AUTO_TEST_CASE(without_a_watchdog_nothing_is_fed_and_nothing_wakes) {
  world w{watched(0s)};
  w.pass(10min);
  BOOST_TEST(w.client().service.fed == 0);
}

BOOST_AUTO_TEST_CASE(the_watchdog_is_fed_twice_an_interval) {
  world w{watched(30s)};
  BOOST_TEST(w.client().service.fed == 1);
  w.pass(5min);
  BOOST_TEST(w.client().service.fed >= 20);
  BOOST_TEST(w.client().service.fed <= 22);
}

BOOST_AUTO_TEST_CASE(one_stuck_shard_starves_the_watchdog) {
  for (const std::size_t stuck : {0, 1}) {
    world w{watched(30s)};
    w.pass(1min);
    w.client().stuck = stuck;
    const auto fed = w.client().service.fed;
    w.pass(5min);
    BOOST_TEST(w.client().service.fed == fed);
    // What was only slow feeds it again.
    w.client().stuck.reset();
    w.pass(1min);
    BOOST_TEST(w.client().service.fed > fed + 2);
  }
}

BOOST_AUTO_TEST_CASE(a_stuck_control_loop_starves_the_watchdog) {
  world w{watched(30s)};
  w.client().stuck = 2;
  const auto fed = w.client().service.fed;
  w.pass(5min);
  BOOST_TEST(w.client().service.fed == fed);
  w.client().stuck.reset();
}

BOOST_AUTO_TEST_CASE(the_status_goes_with_the_watchdog_and_only_when_it_is_news) {
  world w{watched(30s)};
  w.pass(5min);
  BOOST_TEST((w.client().service.statuses == texts{"0 sessions"}));
  w.echo(5001, std::string(1'000, 'x'));
  w.pass(15s);
  BOOST_TEST(w.client().service.statuses.size() == 2u);
  BOOST_TEST(w.client().service.statuses.back() == "1 session; 535 bit/s in, 533 bit/s out");
  w.pass(15s);
  BOOST_TEST(w.client().service.statuses.back() == "1 session");
  BOOST_TEST(w.client().service.statuses.size() == 3u);
}

BOOST_AUTO_TEST_CASE(with_a_watchdog_the_process_ends_as_without) {
  world w{watched(30s)};
  w.pass(1min);
  w.client().signal(SIGINT);
  w.pass(2s);
  BOOST_TEST(w.client().ended());
  BOOST_TEST(w.client().exit_code == 0);
}

BOOST_AUTO_TEST_CASE(a_status_line_names_rates_in_handy_units) {
  actors::counters shard, other;
  actors::status_line line{{&shard, &other}};
  const protocol::time_point t0{100s};
  BOOST_TEST(line.at(t0) == "0 sessions");
  shard.add(counter::sessions_opened, 3);
  other.add(counter::sessions_opened);
  other.add(counter::sessions_closed);
  shard.add(counter::datagram_bytes_in, 125'000'000);
  other.add(counter::datagram_bytes_in, 125'000'000);
  shard.add(counter::datagram_bytes_out, 1'500);
  BOOST_TEST(line.at(t0 + 1s) == "3 sessions; 12 kbit/s in, 2.0 Gbit/s out");
  BOOST_TEST(line.at(t0 + 2s) == "3 sessions");
}

BOOST_AUTO_TEST_SUITE_END()
