#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <utility>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;

// Who has to go when places run short, seen from outside; leave_order_test has the order itself.
BOOST_AUTO_TEST_SUITE(places_test)

BOOST_AUTO_TEST_CASE(at_a_client_the_longest_silent_session_makes_way_and_one_shots_before_it) {
  world_options o;
  o.client_bounds.max_sessions = 3;
  world w{o};
  const log_tail log;
  w.echo(5001, "a");
  w.echo(5001, "a again"); // the longest silent
  w.pass(1s);
  w.echo(5002, "b");
  w.pass(1s);
  w.echo(5003, "c");
  w.echo(5003, "c again");
  w.pass(1s);
  BOOST_TEST(w.client().count(counter::sessions_displaced) == 0u);
  w.echo(5004, "d");
  BOOST_TEST(w.client().count(counter::sessions_displaced) == 1u);
  BOOST_TEST(w.server().upstreams.size() == 4u);
  w.echo(5001, "a third time");
  BOOST_TEST(w.server().upstreams.size() == 4u); // its session is the same
  w.pass(1s);
  w.echo(5004, "d again");
  w.echo(5002, "b again"); // displaces that of port 5003
  BOOST_TEST(w.server().upstreams.size() == 5u);
  w.echo(5001, "a to the end");
  BOOST_TEST(w.server().upstreams.size() == 5u);
  BOOST_TEST(w.client().count(counter::sessions_displaced) == 2u);
  BOOST_TEST(w.client().count(counter::session_refused) == 0u);
  BOOST_TEST(log.matching("--max-sessions 3") == 1u);
  w.pass(1min); // the server knows of all that ended
  BOOST_TEST(w.server().count(counter::sessions_closed) == 2u);
}

BOOST_AUTO_TEST_CASE(a_resolver_with_a_new_port_for_each_question_is_never_refused) {
  world_options o;
  o.client_bounds.max_sessions = 40;
  o.server_bounds.max_sessions_per_source = 20;
  world w{o};
  w.echo(5001, "talks");
  // More within 10 s than may have streams: what has made way must not keep its own.
  const std::size_t questions = actors::stream_limits::most(20) + 100;
  for (std::size_t i = 0; i < questions; ++i) {
    const auto port = static_cast<std::uint16_t>(6'000 + i);
    w.echo(port, "question " + std::to_string(port));
    w.pass(5ms);
    if (port % 20 == 0) w.echo(5001, "talks " + std::to_string(port));
  }
  BOOST_TEST(w.client().count(counter::session_refused) == 0u);
  BOOST_TEST(w.server().count(counter::session_refused) == 0u);
  BOOST_TEST(w.server().upstreams.size() == questions + 1); // the one that talks kept its own
}

BOOST_AUTO_TEST_CASE(a_server_full_of_sessions_that_carried_nothing_both_ways_lets_others_in) {
  world_options o;
  o.server_bounds.max_sessions = 4;
  world w{o};
  const log_tail log;
  w.echo(5001, "a");
  for (std::uint16_t port = 6'001; port < 6'010; ++port)
    w.client().app_sends(port, "nobody answers");
  w.pass(100ms);
  BOOST_TEST(w.server().count(counter::session_refused) == 0u);
  BOOST_TEST(w.server().count(counter::sessions_displaced) >= 6u);
  w.echo(5002, "b");
  w.echo(5001, "c"); // its session is the same
  const auto got = w.server().upstreams.front()->texts();
  BOOST_TEST(std::count(got.begin(), got.end(), "c") == 1);
  BOOST_TEST(log.matching("--max-sessions 4") == 1u);
}

BOOST_AUTO_TEST_CASE(a_source_at_its_bound_is_named_and_keeps_what_it_uses) {
  world_options o;
  o.server_bounds.max_sessions_per_source = 2;
  world w{o};
  const log_tail log;
  for (std::uint16_t port = 5'001; port <= 5'002; ++port) {
    w.echo(port, "a" + std::to_string(port));
    w.echo(port, "b" + std::to_string(port));
  }
  w.client().app_sends(5003, "c");
  w.run();
  BOOST_TEST(w.server().count(counter::session_refused) >= 1u);
  BOOST_TEST(log.matching("has as many sessions as --max-sessions-per-source 2") == 1u);
  w.pass(11s); // nobody uses them any more
  w.echo(5004, "d");
  BOOST_TEST(w.server().count(counter::sessions_displaced) >= 1u);
  BOOST_TEST(log.matching("another makes way") == 1u); // no longer what was said before
}

BOOST_AUTO_TEST_CASE(a_session_at_the_server_takes_its_socket_with_its_first_datagram) {
  world w;
  w.lose = [](const traced& t) { return t.from_client && !t.payload.empty(); };
  w.client().app_sends(5001, "a");
  w.run();
  w.lose = [first = true](const traced& t) mutable { // the hello passes, the datagram does not
    return t.from_client && !t.payload.empty() && !std::exchange(first, false);
  };
  w.pass(1'100ms);
  BOOST_TEST(w.server().count(counter::streams_opened) == 1u);
  BOOST_TEST(w.server().count(counter::sessions_opened) == 0u);
  BOOST_TEST(w.server().upstreams.empty());
  w.lose = nullptr;
  w.echo(5001, "b");
  BOOST_TEST(w.server().upstreams.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
