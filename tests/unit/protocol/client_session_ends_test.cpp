#include "tests/unit/protocol/session_script.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::protocol;
using namespace tonel::test;
using namespace tonel::test::session_script;
using script = client_script;

BOOST_AUTO_TEST_SUITE(client_session_ends_test)

BOOST_AUTO_TEST_CASE(streams_of_an_address_that_is_left_are_replaced_at_once) {
  script s{2};
  s.stand();
  BOOST_TEST(s.readdress({1, 2}) == "open 3, open 4");
  BOOST_TEST(s.claims_drawn == 1u); // the session goes on
  BOOST_TEST(!s.opened_last.config.session.introduces);
  BOOST_TEST(s.greet(3) == "supersede 1, announce 3 2");
  BOOST_TEST(s.greet(4) == "supersede 2, announce 3 4");
}

BOOST_AUTO_TEST_CASE(streams_of_an_address_that_stays_are_let_alone) {
  script s{2};
  s.stand();
  BOOST_TEST(s.readdress({}) == "");
  BOOST_TEST(s.readdress({2}) == "open 3");
}

BOOST_AUTO_TEST_CASE(an_attempt_from_an_address_that_is_left_begins_anew) {
  script s;
  s.start();
  s.after(250ms);
  BOOST_TEST(s.readdress({1, 2}) == "reset 2, reset 1, open 3");
  BOOST_TEST(s.greet(3) == "announce 3 with little room, announce 3, works, announce 3");
}

BOOST_AUTO_TEST_CASE(an_address_that_comes_back_keeps_its_stream) {
  script s;
  s.stand();
  BOOST_TEST(s.readdress({1}) == "open 2");
  BOOST_TEST(s.readdress({2}) == "reset 2");
  BOOST_TEST(s.after(10s) == "");
  BOOST_TEST((s.machine().state() == standing::open));
}

BOOST_AUTO_TEST_CASE(a_replacement_that_fails_is_tried_again_while_the_stream_before_lasts) {
  script s;
  s.stand();
  s.readdress({1});
  BOOST_TEST(s.end(2, end_reason::refused) == "");
  BOOST_TEST(s.after(0s) == "open 3");
  // Nobody answers from there at all: once a minute.
  s.report(kind::try_new_port, 3);
  s.report(kind::try_new_port, 4);
  s.after(1s);
  BOOST_TEST(s.after(60s).find("open") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_streams_of_a_legacy_group_move_to_a_new_group) {
  client_session_config config;
  config.streams = 2;
  config.wire = profile::tonel;
  script s{config};
  s.start();
  auto opened = report(kind::opened, 1);
  opened.wire = profile::tonel;
  opened.token = 77;
  s.report(opened);
  auto greeted = opened;
  greeted.what = kind::greeted;
  s.report(greeted);
  auto second = greeted;
  second.stream = 2;
  second.what = kind::opened;
  s.report(second);
  second.what = kind::greeted;
  s.report(second);
  BOOST_TEST(s.readdress({1, 2}) == "open 3 as tonel");
  opened.stream = greeted.stream = 3;
  opened.token = greeted.token = 78;
  s.report(opened);
  const auto then = s.report(greeted);
  BOOST_TEST(then.find("supersede 1") != std::string::npos);
  BOOST_TEST(then.find("open 4 as tonel joining 78") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(without_a_route_nothing_is_opened_and_after_four_seconds_it_is_said) {
  script s;
  s.lacks = opening_cause::no_route;
  BOOST_TEST(s.start() == "");
  BOOST_TEST(s.after(3'900ms) == "");
  BOOST_TEST(s.after(5s).find("failing: no_route") == 0u);
  BOOST_TEST((s.failure->remote == remote));
  s.lacks.reset();
  BOOST_TEST(s.readdress({}) == "open 1");
  BOOST_TEST(s.greet(1) == "announce 1 with little room, announce 1, works, announce 1");
}

BOOST_AUTO_TEST_CASE(the_next_address_of_a_remote_is_tried_where_the_first_has_no_route) {
  script s;
  s.tells_addresses = true;
  s.lacks = opening_cause::no_route;
  BOOST_TEST(s.start({remote, elsewhere}) == "blame .1");
  s.lacks.reset();
  BOOST_TEST(s.after(0s) == "open 1");
  BOOST_TEST((s.opened_last.config.tuple.remote == elsewhere));
}

BOOST_AUTO_TEST_CASE(a_direct_path_that_takes_nothing_is_told_as_such) {
  script s;
  s.lacks = opening_cause::not_taken;
  BOOST_TEST(s.start() == "count a refusal");
  BOOST_TEST(s.after(5s).find("failing: not_taken") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
