#include "tests/unit/protocol/session_script.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using namespace tonel::protocol;
using namespace tonel::test;
using namespace tonel::test::session_script;
using script = client_script;

namespace {

client_session_config with_deadline() {
  client_session_config out;
  out.deadline = 60s;
  return out;
}

/// A replacement is opened, and its hello, which joins, is refused.
std::string refused(script& s, stream_number next) {
  s.report(kind::opened, next);
  return s.end(next, end_reason::reset, true);
}

} // namespace

BOOST_AUTO_TEST_SUITE(client_session_servers_test)

BOOST_AUTO_TEST_CASE(a_join_that_another_server_refuses_is_tried_by_another_port) {
  script s{with_deadline()};
  s.races = false;
  s.stand();
  BOOST_TEST(s.report(kind::aging, 1) == "open 2");
  // Should this server have lost the session, it says so when it is asked.
  BOOST_TEST(refused(s, 2) == "probe 1");
  BOOST_TEST(s.after(0s) == "open 3");
  BOOST_TEST(!s.opened_last.config.session.introduces);
  BOOST_TEST(refused(s, 3) == "");
  BOOST_TEST(s.after(0s) == "open 4");
  BOOST_TEST(s.greet(4) == "supersede 1, announce 4");
}

BOOST_AUTO_TEST_CASE(joins_go_on_more_slowly_and_the_old_stream_outlives_its_deadline) {
  script s{with_deadline()};
  s.races = false;
  s.stand();
  s.now += 55s;
  s.report(kind::aging, 1);
  std::vector<duration> waits;
  for (stream_number n = 2; n < 40; ++n) {
    const auto failed_at = s.now;
    refused(s, n);
    while (s.opened_last.stream == n) {
      const auto did = s.after(*s.due());
      BOOST_TEST((did.empty() || did.find("open") == 0), did);
    }
    BOOST_TEST(!s.opened_last.config.session.introduces);
    waits.push_back(s.now - failed_at);
  }
  BOOST_TEST((waits.at(6) == 0s));
  BOOST_TEST((waits.at(7) == 100ms));
  BOOST_TEST((waits.at(30) == 100ms));
  BOOST_TEST((waits.at(31) == 60s));
  BOOST_TEST((waits.back() == 60s));
  BOOST_TEST(s.machine().streams().front().stream == 1u);
  // The next one begins without haste, too; once it is there, all begins anew.
  BOOST_TEST(s.greet(40) == "supersede 1, announce 40");
  s.last = s.now;
  s.report(kind::aging, 40);
  BOOST_TEST(refused(s, 41) == "probe 40");
  BOOST_TEST(s.after(0s) == "open 42");
}

BOOST_AUTO_TEST_CASE(a_server_that_has_lost_the_session_is_found_by_the_probe) {
  script s{with_deadline()};
  s.races = false;
  s.stand();
  s.report(kind::aging, 1);
  refused(s, 2);
  s.after(0s);
  BOOST_TEST(s.end(1, end_reason::reset, true) == "announce none");
  // The join under way is refused as well; what follows introduces the session.
  refused(s, 3);
  s.after(0s);
  BOOST_TEST(s.opened_last.config.session.introduces);
  BOOST_TEST(s.claims_drawn == 1u);
}

BOOST_AUTO_TEST_CASE(one_of_several_streams_does_not_introduce_the_session_elsewhere) {
  script s{2};
  s.races = false;
  s.stand();
  s.end(1, end_reason::dead);
  BOOST_TEST(s.after(0s) == "open 3");
  BOOST_TEST(refused(s, 3) == "announce 2, probe 2");
  BOOST_TEST(s.after(0s) == "open 4");
  BOOST_TEST(!s.opened_last.config.session.introduces);
}

BOOST_AUTO_TEST_CASE(where_nothing_carries_the_session_it_is_introduced_after_three_joins) {
  script s;
  s.races = false;
  s.stand();
  BOOST_TEST(s.report(kind::silent, 1) == "announce 1, open 2");
  BOOST_TEST(refused(s, 2) == "");
  BOOST_TEST(s.after(0s) == "open 3");
  BOOST_TEST(!s.opened_last.config.session.introduces);
  refused(s, 3);
  s.after(0s);
  refused(s, 4);
  BOOST_TEST(s.after(0s) == "open 5");
  BOOST_TEST(s.opened_last.config.session.introduces);
  BOOST_TEST(s.greet(5) == "close 1, announce 5, works");
}

BOOST_AUTO_TEST_CASE(at_another_address_it_is_introduced_at_once) {
  script s;
  s.start({remote, elsewhere});
  s.greet(1);
  s.report(kind::silent, 1);
  s.after(250ms);
  BOOST_TEST((s.opened_last.config.tuple.remote == elsewhere));
  BOOST_TEST(s.report(kind::opened, 3) == "reset 2");
  s.end(3, end_reason::reset);
  BOOST_TEST(s.after(0s) == "open 4");
  BOOST_TEST((s.opened_last.config.tuple.remote == elsewhere));
  BOOST_TEST(s.opened_last.config.session.introduces);
  BOOST_TEST(s.greet(4) == "close 1, announce 4, works, announce 4");
}

BOOST_AUTO_TEST_CASE(a_stream_that_recovers_stops_the_attempts_at_other_addresses) {
  script s;
  s.start({remote, elsewhere});
  s.greet(1);
  s.report(kind::silent, 1);
  s.after(250ms);
  BOOST_TEST(s.report(kind::recovered, 1) == "announce 1, works, reset 3, reset 2");
  BOOST_TEST(s.after(5s) == "");
  BOOST_TEST(s.report(kind::silent, 1) == "announce 1, open 4");
  BOOST_TEST((s.opened_last.config.tuple.remote == remote));
}

BOOST_AUTO_TEST_CASE(a_stream_that_recovers_late_is_kept_and_the_other_server_told_goodbye) {
  script s;
  s.start({remote, elsewhere});
  s.greet(1);
  s.report(kind::silent, 1);
  s.after(250ms);
  s.report(kind::opened, 3);
  BOOST_TEST(s.report(kind::recovered, 1) == "announce 1, works");
  BOOST_TEST(s.report(kind::greeted, 3) == "close 3");
  BOOST_TEST(s.end(3, end_reason::closed_by_us) == "");
  BOOST_TEST(s.gone(3) == "");
  s.report(kind::silent, 1);
  BOOST_TEST((s.opened_last.config.tuple.remote == remote));
  BOOST_TEST(!s.opened_last.config.session.introduces);
}

BOOST_AUTO_TEST_CASE(several_streams_that_fall_silent_one_by_one_go_elsewhere_together) {
  script s{2};
  for (const auto& e : {remote, elsewhere})
    s.known.saw_native(e);
  s.races = true;
  s.start({remote, elsewhere});
  s.greet(1);
  s.greet(2);
  // While another stream is answered, other ports of the same address are tried.
  s.report(kind::silent, 1);
  BOOST_TEST((s.opened_last.config.tuple.remote == remote));
  s.report(kind::silent, 2);
  s.after(250ms);
  BOOST_TEST((s.opened_last.config.tuple.remote == elsewhere));
  const auto first = s.opened_last.stream;
  s.report(kind::opened, first);
  s.end(first, end_reason::reset);
  s.after(0s);
  const auto introduced = s.opened_last;
  BOOST_TEST(introduced.config.session.introduces);
  const auto said = s.greet(introduced.stream);
  BOOST_TEST(said.find("close") != std::string::npos, said);
  BOOST_TEST((s.opened_last.config.tuple.remote == elsewhere));
  BOOST_TEST(s.opened_last.stream > introduced.stream);
}

BOOST_AUTO_TEST_CASE(a_session_goes_on_with_what_an_earlier_one_had) {
  script s;
  s.races = false;
  s.remembered = session_claim{{9}, {8}, 1'000, false};
  s.start();
  const auto& hello = s.opened_last.config.session;
  BOOST_TEST((hello.id == session_id{9} && hello.secret == session_secret{8}));
  BOOST_TEST(hello.counter == 1'001u);
  BOOST_TEST(!hello.introduces);
  BOOST_TEST(!s.machine().claim());
  // Datagrams wait until it is clear that the server has the session.
  BOOST_TEST(s.report(kind::opened, 1) == "announce none");
  BOOST_TEST(s.report(kind::greeted, 1).find("announce 1") == 0);
  BOOST_TEST_REQUIRE(s.machine().claim().has_value());
  BOOST_TEST((s.machine().claim()->id == session_id{9}));
  BOOST_TEST(s.machine().claim()->counter == 1'001u);
  s.close();
  BOOST_TEST(!s.machine().claim());
}

BOOST_AUTO_TEST_CASE(what_no_server_has_any_more_is_drawn_anew_after_three_joins) {
  script s;
  s.races = false;
  s.remembered = session_claim{{9}, {8}, 1'000, false};
  s.start();
  for (stream_number n = 1; n <= 2; ++n) {
    BOOST_TEST(refused(s, n).find("announce none") == 0u);
    BOOST_TEST(s.after(0s) == "open " + std::to_string(n + 1));
    BOOST_TEST((s.opened_last.config.session.id == session_id{9}));
  }
  refused(s, 3);
  BOOST_TEST(s.after(0s) == "open 4");
  BOOST_TEST((s.opened_last.config.session.id == session_id{1}));
  BOOST_TEST(s.opened_last.config.session.introduces);
  s.greet(4);
  BOOST_TEST((s.machine().claim()->id == session_id{1}));
}

BOOST_AUTO_TEST_SUITE_END()
