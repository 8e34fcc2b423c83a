#include "tests/unit/protocol/session_script.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <vector>

using namespace tonel::protocol;
using namespace tonel::test;
using namespace tonel::test::session_script;
using script = client_script;

namespace {

endpoint at(std::uint8_t last) { return {ip_address::v4(192, 0, 2, last), 443}; }

std::vector<endpoint> many(std::size_t n) {
  std::vector<endpoint> out;
  for (std::size_t i = 1; i <= n; ++i)
    out.push_back(at(static_cast<std::uint8_t>(i)));
  return out;
}

/// Where the last stream that was asked for goes.
int target(const script& s) { return s.opened_last.config.tuple.remote.address.data()[3]; }

/// One that shows what it says of addresses.
struct talking : script {
  explicit talking(std::size_t streams = 1) : script{streams} { tells_addresses = true; }
};

} // namespace

BOOST_AUTO_TEST_SUITE(client_session_remotes_test)

BOOST_AUTO_TEST_CASE(the_next_address_is_tried_after_250_ms_and_the_first_answer_counts) {
  talking s;
  BOOST_TEST(s.start(many(3)) == "open 1");
  BOOST_TEST(target(s) == 1);
  BOOST_TEST(s.after(250ms) == "open 2");
  BOOST_TEST(target(s) == 2);
  BOOST_TEST(s.after(250ms) == "open 3");
  BOOST_TEST(target(s) == 3);
  BOOST_TEST(s.report(kind::opened, 2) == "reset 1, reset 3, announce 2 with little room");
  BOOST_TEST(s.report(kind::greeted, 2) == "praise .2, announce 2, works, announce 2");
  // What is opened from now on goes there at once.
  BOOST_TEST(s.end(2, end_reason::reset, true) == "announce none");
  BOOST_TEST(s.after(0s) == "open 4");
  BOOST_TEST(target(s) == 2);
}

BOOST_AUTO_TEST_CASE(the_first_address_that_answers_is_nothing_to_tell) {
  talking s;
  s.start(many(2));
  BOOST_TEST(s.greet(1) == "announce 1 with little room, announce 1, works, announce 1");
}

BOOST_AUTO_TEST_CASE(when_all_were_tried_other_ports_follow_in_turn_four_attempts_in_all) {
  script s;
  s.start(many(2));
  s.after(250ms);
  BOOST_TEST(s.after(250ms) == "open 3");
  BOOST_TEST(target(s) == 1);
  BOOST_TEST(s.after(500ms) == "open 4");
  BOOST_TEST(target(s) == 2);
  BOOST_TEST(s.after(10s) == "failing: no_answer");
}

BOOST_AUTO_TEST_CASE(more_than_four_addresses_are_all_tried) {
  script s;
  s.start(many(7));
  BOOST_TEST(s.after(10s) == "open 2, open 3, open 4, open 5, open 6, open 7, failing: no_answer");
}

BOOST_AUTO_TEST_CASE(what_has_not_answered_for_long_is_told_once_of_each_address) {
  talking s;
  s.start(many(2));
  s.after(250ms);
  BOOST_TEST(s.after(750ms) == "open 3, blame .1, blame .2, open 4");
  BOOST_TEST(s.after(10s) == "failing: no_answer");
  // It answers after all: that is worth a word.
  BOOST_TEST(s.report(kind::opened, 1) == "reset 2, reset 3, reset 4, announce 1 with little room");
  BOOST_TEST(s.report(kind::greeted, 1) == "praise .1, announce 1, works, announce 1");
}

BOOST_AUTO_TEST_CASE(an_address_that_refuses_makes_way_for_the_next_at_once) {
  talking s;
  s.start(many(2));
  BOOST_TEST(s.end(1, end_reason::refused) == "open 2, blame .1");
  BOOST_TEST(target(s) == 2);
  BOOST_TEST(s.gone(1) == "");
  BOOST_TEST(s.greet(2) == "announce 2 with little room, praise .2, announce 2, works, announce 2");
}

BOOST_AUTO_TEST_CASE(where_all_refuse_that_is_the_remotes_word) {
  script s;
  s.start(many(2));
  s.end(1, end_reason::refused);
  // As phantun does, which is asked in its dialect.
  BOOST_TEST(s.end(2, end_reason::refused) ==
             "announce none of an older dialect, open 3 as legacy");
  BOOST_TEST(target(s) == 2);
}

BOOST_AUTO_TEST_CASE(a_refusal_counts_after_2_s_where_the_other_address_is_silent) {
  script s;
  s.start(many(2));
  s.end(1, end_reason::refused);
  const auto went = s.after(3s);
  BOOST_TEST(went.find("announce none of an older dialect") != std::string::npos, went);
  BOOST_TEST(target(s) == 1);
}

BOOST_AUTO_TEST_CASE(without_races_the_next_try_goes_to_the_next_address) {
  script s;
  s.races = false;
  s.start(many(2));
  s.after(15s);
  BOOST_TEST(s.report(kind::try_new_port, 1) == "failing: no_answer, open 2");
  BOOST_TEST(target(s) == 2);
}

BOOST_AUTO_TEST_CASE(the_other_streams_go_where_the_first_got_its_answer) {
  script s{3};
  for (const auto& e : many(2))
    s.known.saw_native(e);
  BOOST_TEST(s.start(many(2)) == "open 1");
  BOOST_TEST(s.after(250ms) == "open 2");
  s.report(kind::opened, 2);
  BOOST_TEST(s.report(kind::greeted, 2) == "announce 2, works, open 3, open 4, announce 2");
  BOOST_TEST(target(s) == 2);
  // One port's path is slow: the remote answers, so no other address is tried.
  s.greet(3);
  s.after(250ms);
  BOOST_TEST(target(s) == 2);
}

BOOST_AUTO_TEST_CASE(a_silent_stream_is_replaced_where_it_is_and_elsewhere_250_ms_later) {
  script s;
  s.start(many(2));
  s.greet(1);
  BOOST_TEST(s.report(kind::silent, 1) == "announce 1, open 2");
  BOOST_TEST(target(s) == 1);
  BOOST_TEST(s.after(250ms) == "open 3");
  BOOST_TEST(target(s) == 2);
  BOOST_TEST(s.report(kind::opened, 3) == "reset 2");
  BOOST_TEST(s.report(kind::greeted, 3) == "supersede 1, announce 3, works, announce 3");
}

BOOST_AUTO_TEST_CASE(an_address_whose_dialect_is_older_is_not_asked_natively_for_speed) {
  script s;
  s.known.saw_legacy(at(2), profile::tonel, s.now);
  s.start(many(3));
  BOOST_TEST(s.after(250ms) == "open 2");
  BOOST_TEST(target(s) == 3);
}

BOOST_AUTO_TEST_CASE(a_path_that_ends_tcp_is_told_of) {
  talking s;
  s.start(many(2));
  s.report(kind::opened, 1);
  BOOST_TEST(s.end(1, end_reason::path_ends_tcp) ==
             "announce none, failing: path_ends_tcp, blame .1");
}

BOOST_AUTO_TEST_CASE(a_name_that_moves_takes_the_session_along) {
  script s;
  s.stand();
  BOOST_TEST(s.resolve(elsewhere) == "open 2");
  BOOST_TEST((s.opened_last.config.tuple.remote == elsewhere));
  BOOST_TEST(!s.opened_last.config.session.introduces); // the session is known: it joins
  BOOST_TEST(s.report(kind::opened, 2) == "");
  BOOST_TEST(s.report(kind::greeted, 2) == "supersede 1, announce 2, announce 2");
}

BOOST_AUTO_TEST_CASE(streams_move_the_first_one_ahead_and_no_datagram_waits) {
  script s{3};
  s.stand();
  BOOST_TEST(s.resolve(elsewhere) == "open 4"); // its dialect is not known yet
  s.report(kind::opened, 4);
  BOOST_TEST(s.report(kind::greeted, 4) == "supersede 1, announce 4, open 5, open 6, announce 4");
  BOOST_TEST(s.greet(5) == "supersede 2, announce 4 5");
  BOOST_TEST(s.greet(6) == "supersede 3, announce 4 5 6");
}

BOOST_AUTO_TEST_CASE(a_name_that_still_has_the_address_moves_nothing) {
  script s;
  s.stand();
  BOOST_TEST(s.resolve({elsewhere, remote}) == "");
  BOOST_TEST(s.report(kind::silent, 1) == "announce 1, open 2");
  BOOST_TEST((s.opened_last.config.tuple.remote == remote));
}

BOOST_AUTO_TEST_CASE(where_the_new_address_is_silent_the_old_one_carries_on_and_it_is_tried_again) {
  script s;
  s.races = false;
  s.stand();
  s.resolve(elsewhere);
  s.now += 15s;
  BOOST_TEST(s.report(kind::try_new_port, 2) == "open 3");
  s.now += 15s;
  BOOST_TEST(s.end(3, end_reason::timed_out) == "");
  BOOST_TEST((s.machine().state() == standing::open));
  BOOST_TEST(s.after(60s) == "open 4");
  BOOST_TEST(s.greet(4) == "supersede 1, announce 4, announce 4");
}

BOOST_AUTO_TEST_CASE(another_server_at_the_new_address_gets_the_session_introduced) {
  script s;
  s.stand();
  s.resolve(elsewhere);
  s.report(kind::opened, 2);
  BOOST_TEST(s.end(2, end_reason::reset) == ""); // it does not know the session
  BOOST_TEST(s.after(0s) == "open 3");
  BOOST_TEST(s.opened_last.config.session.introduces);
  // By FIN, so that the server before knows that its session is over.
  BOOST_TEST(s.greet(3) == "close 1, announce 3, announce 3");
}

BOOST_AUTO_TEST_CASE(what_is_being_opened_at_an_address_that_is_gone_is_opened_anew) {
  script s;
  s.start();
  s.after(250ms);
  BOOST_TEST(s.resolve(elsewhere) == "reset 2, reset 1, open 3");
  BOOST_TEST((s.opened_last.config.tuple.remote == elsewhere));
  BOOST_TEST(s.greet(3) == "announce 3 with little room, announce 3, works, announce 3");
}

BOOST_AUTO_TEST_CASE(an_address_that_the_name_has_gained_joins_the_race_at_once) {
  script s;
  s.start();
  s.after(3s);
  BOOST_TEST(s.resolve({remote, elsewhere}) == "");
  BOOST_TEST((s.due() == 0ms));
  s.after(0s);
  BOOST_TEST((s.opened_last.config.tuple.remote == elsewhere));
}

BOOST_AUTO_TEST_CASE(a_session_without_streams_moves_when_it_is_wanted) {
  script s;
  s.stand();
  s.end(1, end_reason::reset);
  BOOST_TEST(s.resolve(elsewhere) == "");
  s.want();
  BOOST_TEST(s.after(0s) == "open 2");
  BOOST_TEST((s.opened_last.config.tuple.remote == elsewhere));
}

BOOST_AUTO_TEST_CASE(an_older_servers_session_moves_to_a_group_of_its_own) {
  client_session_config older;
  older.wire = profile::phantun;
  script s{older};
  s.start();
  auto opened = report(kind::opened, 1);
  opened.wire = profile::phantun;
  s.report(opened);
  BOOST_TEST(s.resolve(elsewhere) == "open 2 as phantun");
}

BOOST_AUTO_TEST_CASE(a_closing_session_moves_nowhere) {
  script s;
  s.stand();
  s.close();
  BOOST_TEST(s.resolve(elsewhere) == "");
}

BOOST_AUTO_TEST_SUITE_END()
