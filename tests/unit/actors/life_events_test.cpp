#include "actors/runtime/log.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

// What the log tells of sessions that come and go.
using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

/// The line with this in it, from the message on; empty: there is none.
std::string line_with(const log_tail& log, const std::string& part) {
  for (const auto& line : log.lines())
    if (const auto at = line.find(part); at != std::string::npos)
      return line.substr(line.find("session "));
  return {};
}

} // namespace

BOOST_AUTO_TEST_SUITE(life_events_test)

BOOST_AUTO_TEST_CASE(both_ends_tell_that_a_session_opened_and_closed_by_one_name) {
  world_options o;
  o.idle_timeout = 30s;
  world w{o};
  const log_tail log;
  w.client().app_sends(5001, "hello");
  w.run();
  const auto client = line_with(log, "of 10.0.0.1:5001 opened: native, to 192.168.201.2:443");
  const auto server = line_with(log, "of 192.168.200.2:");
  BOOST_TEST_REQUIRE(!client.empty());
  BOOST_TEST(server.find("opened: native, to 10.9.9.9:51820, from UDP port 40001") !=
                 std::string::npos,
             server);
  const auto name = client.substr(8, 8);
  BOOST_TEST(server.substr(8, 8) == name);
  w.server().upstreams.at(0)->memory.push({{}, bytes_of("answeranswer"), 6});
  w.run();
  w.pass(30'100ms);
  for (const auto& line :
       {line_with(log, "of 10.0.0.1:5001 closed"), line_with(log, name + " of 192.168.200.2:")})
    BOOST_TEST(!line.empty());
  BOOST_TEST(log.matching(name + " of 10.0.0.1:5001 closed idle, after 30 s: 1 datagrams (5 "
                                 "octets) into the tunnel, 2 datagrams (12 octets) out of it") ==
             1u);
  BOOST_TEST(log.matching("2 datagrams (12 octets) into the tunnel, 1 datagrams (5 octets) out") ==
             1u);
}

BOOST_AUTO_TEST_CASE(another_connection_in_the_place_of_one_is_told) {
  world_options o;
  o.client_deadline = 30s;
  world w{o};
  w.echo(5001, "first");
  const log_tail log;
  for (int i = 0; i < 300; ++i) {
    w.client().app_sends(5001, "up");
    w.pass(100ms);
  }
  BOOST_TEST(log.matching("goes on with another connection, of TCP port ") == 1u);
}

BOOST_AUTO_TEST_CASE(thousands_of_sessions_are_a_bounded_number_of_lines) {
  world w;
  const log_tail log;
  for (std::uint16_t i = 0; i < 1'000; ++i)
    w.client().app_sends(static_cast<std::uint16_t>(5'000 + i), "x");
  w.pass(100ms);
  BOOST_TEST(w.client().count(counter::sessions_opened) == 1'000u);
  BOOST_TEST(log.matching(" opened: ") <= 40u); // 20 at each end
}

BOOST_AUTO_TEST_CASE(what_never_opened_is_no_event) {
  world_options o;
  o.wire = actors::wire_choice::native;
  world w{o};
  w.lose = [](const auto&) { return true; };
  const log_tail log;
  w.client().app_sends(5001, "x");
  w.pass(60s);
  BOOST_TEST(log.matching(" closed ") == 0u);
}

BOOST_AUTO_TEST_CASE(debug_has_state_changes_and_trace_has_segments) {
  {
    world w;
    const log_tail log;
    log_at(actors::log_level::debug);
    w.echo(5001, "x");
    BOOST_TEST(log.matching(": opening -> open") >= 1u);
    BOOST_TEST(log.matching(": connection 1 greeted") == 1u);
    BOOST_TEST(log.matching("Flags [") == 0u);
  }
  world w;
  const log_tail log;
  log_at(actors::log_level::trace);
  w.echo(5001, "x");
  BOOST_TEST(log.matching("out IP 192.168.200.2.") >= 2u);
  BOOST_TEST(log.matching("Flags [S], seq ") == 2u); // out of the one, into the other
  log_at(actors::log_level::info);
}

BOOST_AUTO_TEST_SUITE_END()
