#include "tests/unit/protocol/session_script.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::protocol;
using namespace tonel::test;
using namespace tonel::test::session_script;
using script = client_script;

namespace {

client_session_config with(std::size_t streams, std::optional<profile> wire = std::nullopt) {
  client_session_config out;
  out.streams = streams;
  out.wire = wire;
  return out;
}

/// A tonel server's answer to the SYN.
stream_report opened_by_tonel(stream_number stream, std::uint16_t token) {
  auto out = report(kind::opened, stream);
  out.wire = profile::tonel;
  out.token = token;
  return out;
}

stream_report of(profile wire, kind what, stream_number stream) {
  auto out = report(what, stream);
  out.wire = wire;
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(client_session_test)

BOOST_AUTO_TEST_CASE(a_stream_is_announced_when_it_is_open_and_with_all_room_when_it_is_greeted) {
  script s;
  BOOST_TEST(s.start() == "open 1");
  BOOST_TEST(s.report(kind::opened, 1) == "announce 1 with little room");
  BOOST_TEST(s.report(kind::greeted, 1) == "announce 1, works, announce 1");
  BOOST_TEST((s.machine().state() == standing::open));
}

BOOST_AUTO_TEST_CASE(an_unresolved_remote_is_waited_for_as_long_as_a_session_may_be_idle) {
  script s;
  BOOST_TEST(s.start({}) == "");
  BOOST_TEST(s.want() == "");
  BOOST_TEST(s.resolve(remote) == "open 1");
  script other;
  other.start({});
  BOOST_TEST(other.after(180s - 1ns) == "failing: unresolved");
  BOOST_TEST(other.after(1ns) == "retire, finish");
}

BOOST_AUTO_TEST_CASE(of_an_unknown_remote_one_stream_is_opened_and_the_others_after_it) {
  script s{4};
  BOOST_TEST(s.start() == "open 1");
  BOOST_TEST(s.report(kind::opened, 1) == "announce 1 with little room");
  BOOST_TEST(s.report(kind::greeted, 1) == "announce 1, works, open 2, open 3, open 4, announce 1");
}

BOOST_AUTO_TEST_CASE(to_a_remote_that_was_native_all_streams_are_opened_at_once) {
  script s{4};
  s.known.saw_native(remote);
  BOOST_TEST(s.start() == "open 1, open 2, open 3, open 4");
}

BOOST_AUTO_TEST_CASE(streams_share_a_session_and_differ_in_index_counter_and_port) {
  script s{2};
  s.known.saw_native(remote);
  s.start();
  const auto& second = s.opened_last;
  BOOST_TEST(second.config.stream_index == 1);
  BOOST_TEST(second.config.stream_count == 2);
  BOOST_TEST(second.config.session.counter == 2u);
  BOOST_TEST(second.config.session.introduces);
  BOOST_TEST(second.config.tuple.local.port == *second.port);
  BOOST_TEST((second.config.tuple.remote == remote));
  BOOST_TEST((second.config.fellows != nullptr));
  BOOST_TEST(second.config.first_port);
  BOOST_TEST(!second.config.last_port);
}

BOOST_AUTO_TEST_CASE(without_an_answer_other_ports_join_after_250_ms_then_500_and_1000) {
  script s;
  s.start();
  BOOST_TEST(s.after(249ms) == "");
  BOOST_TEST(s.after(1ms) == "open 2");
  BOOST_TEST(s.after(500ms) == "open 3");
  BOOST_TEST(s.after(1s) == "open 4");
  BOOST_TEST(s.after(10s) == "failing: no_answer"); // four at most
  BOOST_TEST(s.report(kind::opened, 3) == "reset 2, reset 1, reset 4, announce 3 with little room");
}

BOOST_AUTO_TEST_CASE(attempts_of_one_race_share_it_and_no_attempt_joins_where_none_may) {
  script s;
  s.start();
  const auto first = s.opened_last.race;
  s.after(250ms);
  BOOST_TEST((s.opened_last.race == first));
  script other;
  other.races = false;
  other.start();
  BOOST_TEST(other.after(5s) == "failing: no_answer");
}

BOOST_AUTO_TEST_CASE(where_the_remote_answers_others_ports_without_an_answer_make_way) {
  script s{2};
  s.known.saw_native(remote);
  s.start();
  s.greet(1);
  BOOST_TEST(s.after(250ms) == "open 3, open 4, open 5");
  BOOST_TEST(s.after(500ms) == "reset 3, reset 4, reset 5, open 6, open 7, open 8");
  BOOST_TEST(s.greet(7) == "reset 6, reset 2, reset 8, announce 1, announce 1 7");
}

BOOST_AUTO_TEST_CASE(a_port_that_works_makes_the_others_hurry) {
  script s{2};
  s.known.saw_native(remote);
  s.start();
  s.after(250ms); // each has a rival
  s.greet(1);
  BOOST_TEST((s.due() == 0ms));
}

BOOST_AUTO_TEST_CASE(the_same_once_more_on_another_port_and_then_the_session_gives_up) {
  script s;
  s.races = false;
  s.start();
  s.now += 15s;
  BOOST_TEST(s.report(kind::try_new_port, 1) == "failing: no_answer, open 2");
  BOOST_TEST(s.opened_last.config.last_port);
  s.gone(1);
  s.now += 15s;
  BOOST_TEST(s.end(2, end_reason::timed_out) == "failing: no_answer, retire");
  BOOST_TEST(s.gone(2) == "finish");
}

BOOST_AUTO_TEST_CASE(
    a_session_that_was_open_gives_up_and_the_next_datagram_goes_on_with_its_waits) {
  script s;
  s.races = false;
  s.stand();
  BOOST_TEST(s.end(1, end_reason::dead) == "announce none");
  BOOST_TEST((s.due() == 180s)); // until it is idle for too long
  BOOST_TEST(s.want() == "");
  BOOST_TEST(s.after(0s) == "open 2");
  s.now += 15s;
  s.report(kind::try_new_port, 2);
  s.now += 15s;
  BOOST_TEST(s.end(3, end_reason::timed_out) == "failing: no_answer, announce none");
  s.want();
  BOOST_TEST(s.after(199ms) == "");
  BOOST_TEST(s.after(1ms) == "open 4");
  s.now += 30s;
  s.end(4, end_reason::timed_out);
  s.after(1min); // in which nobody wants one
  s.want();
  BOOST_TEST(s.after(0s) == "open 5");
}

BOOST_AUTO_TEST_CASE(a_silent_stream_is_replaced_and_kept_until_the_replacement_is_greeted) {
  script s;
  s.stand();
  BOOST_TEST(s.report(kind::silent, 1) == "announce 1, open 2");
  BOOST_TEST(s.report(kind::opened, 2) == "");
  BOOST_TEST(s.report(kind::greeted, 2) == "supersede 1, announce 2, works");
}

BOOST_AUTO_TEST_CASE(datagrams_leave_a_silent_stream_for_its_fellows_and_it_has_four_ports_tried) {
  script s{2};
  s.stand();
  BOOST_TEST(s.report(kind::silent, 1) == "announce 2, open 3, open 4, open 5, open 6");
  BOOST_TEST(s.report(kind::recovered, 1) == "announce 1 2");
}

BOOST_AUTO_TEST_CASE(a_stream_that_recovers_while_alone_goes_on_until_its_replacement_is_open) {
  script s;
  s.stand();
  s.report(kind::silent, 1);
  BOOST_TEST(s.report(kind::recovered, 1) == "announce 1, works");
  BOOST_TEST(s.greet(2) == "supersede 1, announce 2");
}

BOOST_AUTO_TEST_CASE(
    a_lost_stream_is_replaced_at_once_if_a_datagram_passed_of_late_else_at_the_next) {
  script s;
  s.stand();
  BOOST_TEST(s.end(1, end_reason::reset, true) == "announce none");
  BOOST_TEST((s.due() == 0ms));
  BOOST_TEST(s.after(0s) == "open 2");
  script idle;
  idle.stand();
  idle.end(1, end_reason::reset, false);
  BOOST_TEST((idle.due() == 180s));
}

BOOST_AUTO_TEST_CASE(one_of_several_is_always_replaced) {
  script s{2};
  s.stand();
  BOOST_TEST(s.end(1, end_reason::reset, false) == "announce 2");
  BOOST_TEST(s.after(0s) == "open 3");
}

BOOST_AUTO_TEST_CASE(each_further_try_waits_longer) {
  script s{with(1, profile::native)};
  s.races = false;
  s.known.saw_native(remote);
  s.start();
  stream_number n = 1;
  for (const auto wait :
       {0ms, 200ms, 400ms, 800ms, 1'600ms, 3'200ms, 6'400ms, 12'800ms, 25'600ms}) {
    s.end(n, end_reason::refused);
    s.after(wait - 1ms);
    BOOST_TEST(s.opened_last.stream == n, wait.count());
    s.after(1ms);
    BOOST_TEST(s.opened_last.stream == ++n);
  }
}

BOOST_AUTO_TEST_CASE(opening_is_given_up_after_thirty_seconds_of_refusals) {
  script s{with(1, profile::native)};
  s.races = false;
  s.start();
  std::string word;
  for (stream_number n = 1; n < 40 && word.find("retire") == std::string::npos; ++n) {
    word = s.end(n, end_reason::refused);
    s.gone(n);
    while (s.due() && s.opened_last.stream == n)
      s.after(*s.due());
  }
  BOOST_TEST(word == "failing: refused, retire");
  BOOST_TEST((s.now - start >= 30s));
  BOOST_TEST((s.now - start <= 60s)); // the last wait has begun before
}

BOOST_AUTO_TEST_CASE(one_of_several_that_can_not_be_opened_is_tried_again_after_a_minute) {
  script s{2};
  s.races = false;
  s.known.saw_native(remote);
  s.start();
  s.greet(1);
  s.now += 30s;
  BOOST_TEST(s.end(2, end_reason::timed_out) == "");
  BOOST_TEST((s.due() == 60s));
  BOOST_TEST(s.after(60s) == "open 3");
}

BOOST_AUTO_TEST_CASE(the_servers_fin_on_the_last_stream_closes_the_session) {
  script s{2};
  s.stand();
  BOOST_TEST(s.end(1, end_reason::closed_by_peer) == "announce 2");
  BOOST_TEST(s.end(2, end_reason::closed_by_peer) == "announce none, retire");
  BOOST_TEST(s.gone(1) == "");
  BOOST_TEST(s.gone(2) == "finish");
}

BOOST_AUTO_TEST_CASE(the_servers_fin_on_one_of_several_has_it_replaced_after_a_second) {
  script s{2};
  s.stand();
  s.end(1, end_reason::closed_by_peer);
  BOOST_TEST(s.after(999ms) == "");
  BOOST_TEST(s.after(1ms) == "open 3");
}

BOOST_AUTO_TEST_CASE(an_idle_session_closes_all_its_streams_in_turn_with_others) {
  script s{2};
  s.stand();
  (void)s.turn.next(s.now); // another session's
  BOOST_TEST(s.report(kind::idle, 1) == "");
  BOOST_TEST(s.report(kind::idle, 2) == "");
  BOOST_TEST((s.due() == 5ms));
  s.last = s.now - 200s;
  BOOST_TEST(s.after(5ms) == "retire, close 1, close 2");
  for (stream_number n = 1; n <= 2; ++n)
    s.end(n, end_reason::closed_by_us);
  s.gone(1);
  BOOST_TEST(s.gone(2) == "finish");
}

BOOST_AUTO_TEST_CASE(a_datagram_keeps_an_idle_session_whose_turn_has_come) {
  script s;
  s.stand();
  (void)s.turn.next(s.now);
  s.report(kind::idle, 1);
  BOOST_TEST(s.report(kind::active, 1) == "");
  BOOST_TEST(!s.due());
  s.report(kind::idle, 1);
  s.last = s.now; // one that the stream has not reported yet
  BOOST_TEST(s.after(10ms) == "");
  BOOST_TEST((s.due() == 180s - 10ms));
}

BOOST_AUTO_TEST_CASE(an_ageing_stream_is_replaced_while_datagrams_pass_and_closed_where_none_do) {
  client_session_config config;
  config.deadline = 60s;
  script s{config};
  s.stand();
  BOOST_TEST((*s.opened_last.ages_at == start + 55s));
  s.now += 55s;
  s.last = s.now - 1s;
  BOOST_TEST(s.report(kind::aging, 1) == "open 2");
  BOOST_TEST(s.report(kind::aging, 1) == "");
  s.report(kind::opened, 2);
  BOOST_TEST(s.after(5s - 1ns) == "");
  BOOST_TEST(s.after(1ns) == "reset 1"); // its replacement is late
  script idle{config};
  idle.stand();
  idle.now += 200s;
  BOOST_TEST(idle.report(kind::aging, 1) == "retire, close 1");
}

BOOST_AUTO_TEST_CASE(a_reset_has_the_next_hello_introduce_the_session_again) {
  script s{2};
  s.stand();
  s.end(1, end_reason::dead);
  s.after(0s);
  BOOST_TEST(!s.opened_last.config.session.introduces);
  s.greet(3);
  s.end(3, end_reason::reset);
  s.after(0s);
  BOOST_TEST(s.opened_last.config.session.introduces);
  BOOST_TEST(s.claims_drawn == 1u);
}

BOOST_AUTO_TEST_CASE(an_introduction_refused_by_reset_draws_another_id_where_no_stream_is_left) {
  script s;
  s.start();
  s.report(kind::opened, 1);
  s.end(1, end_reason::reset, true);
  BOOST_TEST(s.claims_drawn == 2u);
  s.after(0s);
  BOOST_TEST((s.opened_last.config.session.id == session_id{2}));
}

BOOST_AUTO_TEST_CASE(where_a_hello_without_introduction_is_refused_the_next_follows_at_once) {
  script s;
  s.races = false;
  s.stand();
  s.end(1, end_reason::reset, true); // the server was restarted
  s.after(0s);
  BOOST_TEST(s.opened_last.config.session.introduces);
  script other{2};
  other.races = false;
  other.stand();
  other.end(1, end_reason::dead);
  other.after(0s);
  other.end(3, end_reason::dead);
  other.after(200ms);
  other.report(kind::opened, 4);
  other.end(4, end_reason::reset);
  BOOST_TEST((other.due() == 0ms));
}

BOOST_AUTO_TEST_CASE(on_a_path_that_ends_tcp_the_session_rests_for_ten_seconds_and_closes) {
  script s;
  s.start();
  s.report(kind::opened, 1);
  BOOST_TEST(s.end(1, end_reason::path_ends_tcp) == "announce none, failing: path_ends_tcp");
  BOOST_TEST(s.want() == "");
  BOOST_TEST(s.after(10s) == "failing: path_ends_tcp, retire");
}

BOOST_AUTO_TEST_CASE(superseded_streams_end_and_nothing_follows) {
  script s;
  s.stand();
  s.report(kind::silent, 1);
  s.greet(2);
  BOOST_TEST(s.end(1, end_reason::superseded) == "");
  BOOST_TEST(s.gone(1) == "");
}

BOOST_AUTO_TEST_CASE(a_stream_that_goes_without_a_word_is_replaced_three_times_in_thirty_seconds) {
  script s;
  s.stand();
  BOOST_TEST(s.gone(1) == "announce none");
  s.after(0s);
  for (stream_number n = 2; n <= 3; ++n) {
    s.greet(n);
    BOOST_TEST(s.gone(n) == "announce none");
    s.after(0s);
  }
  s.greet(4);
  BOOST_TEST(s.gone(4) == "announce none, fail");
}

BOOST_AUTO_TEST_CASE(without_a_port_the_refusal_is_counted_and_another_try_follows) {
  script s;
  s.ports = false;
  BOOST_TEST(s.start() == "count a refusal");
  s.ports = true;
  BOOST_TEST(s.after(0s) == "open 1");
}

BOOST_AUTO_TEST_CASE(after_suspend_every_stream_is_probed) {
  script s{2};
  s.known.saw_native(remote);
  s.start();
  s.greet(1);
  BOOST_TEST(s.probe() == "probe 1, probe 2");
}

BOOST_AUTO_TEST_CASE(at_exit_those_too_are_closed_that_only_drain) {
  script s;
  s.stand();
  s.report(kind::silent, 1);
  s.greet(2);
  BOOST_TEST(s.close(true) == "retire, close at exit 2, close at exit 1, close at exit 2");
  BOOST_TEST(s.close(true) == "close at exit 2, close at exit 1, close at exit 2");
}

BOOST_AUTO_TEST_CASE(a_closing_session_opens_nothing_and_finishes_with_its_last_stream) {
  script s;
  s.stand();
  BOOST_TEST(s.close() == "retire, close 1");
  BOOST_TEST(s.want() == "");
  BOOST_TEST(s.report(kind::silent, 1) == "announce 1");
  BOOST_TEST(s.end(1, end_reason::closed_by_us) == "announce none");
  BOOST_TEST(!s.due());
  BOOST_TEST(s.gone(1) == "finish");
  BOOST_TEST(s.gone(1) == "");
}

BOOST_AUTO_TEST_CASE(what_is_said_once_is_said_once) {
  script s;
  s.stand();
  auto large = report(kind::too_large, 1);
  large.size = 2'000;
  large.limit = 1'460;
  BOOST_TEST(s.report(large) == "say too large");
  BOOST_TEST(s.said->size == 2'000u);
  BOOST_TEST(s.report(large) == "");
  large.limit = 1'360; // the path has become narrower
  BOOST_TEST(s.report(large) == "say too large");
  BOOST_TEST(s.report(large) == "");
  BOOST_TEST(s.report(kind::unscaled, 1) == "say window unscaled");
  BOOST_TEST(s.report(kind::unscaled, 1) == "");
}

// The older dialects.

BOOST_AUTO_TEST_CASE(an_older_server_that_answers_the_native_syn_is_spoken_to_in_its_dialect) {
  script s{3};
  s.start();
  BOOST_TEST(s.report(of(profile::tonel, kind::legacy, 1)) ==
             "say older server, announce none of an older dialect, open 2 as tonel");
  BOOST_TEST(s.report(opened_by_tonel(2, 7)) == "announce 2 with little room of an older dialect");
  BOOST_TEST(s.report(of(profile::tonel, kind::greeted, 2)) ==
             "announce 2 of an older dialect, works, open 3 as tonel joining 7, "
             "open 4 as tonel joining 7, announce 2 of an older dialect");
  script next; // the finding holds for other sessions, too
  next.known = s.known;
  BOOST_TEST(next.start() == "announce none of an older dialect, open 1 as tonel");
}

BOOST_AUTO_TEST_CASE(a_dialect_that_the_configuration_excludes_is_said_and_not_spoken) {
  script s{with(1, profile::native)};
  s.start();
  BOOST_TEST(s.report(of(profile::tonel, kind::legacy, 1)) == "failing: older_dialect");
  BOOST_TEST((s.failure->wire == profile::tonel));
  BOOST_TEST(s.after(0s) == "open 2");
}

BOOST_AUTO_TEST_CASE(an_unknown_host_that_refuses_the_native_syn_is_guessed_to_be_older) {
  script s;
  s.start();
  BOOST_TEST(s.end(1, end_reason::refused) ==
             "announce none of an older dialect, open 2 as legacy");
  // The older SYN is refused, too: native again, with back-off.
  s.end(2, end_reason::refused);
  BOOST_TEST(s.after(0s) == "announce none, open 3");
}

BOOST_AUTO_TEST_CASE(a_host_that_was_native_and_refuses_is_asked_again_natively) {
  script s;
  s.races = false;
  s.stand();
  s.end(1, end_reason::reset, true);
  s.after(0s);
  for (stream_number n = 2; n < 9; ++n) {
    s.end(n, end_reason::refused);
    BOOST_TEST((s.opened_last.config.wire == profile::native));
    while (s.opened_last.stream == n)
      s.after(*s.due());
  }
  BOOST_TEST((s.failure->cause == opening_cause::refused));
  BOOST_TEST(s.failure->was_native);
}

BOOST_AUTO_TEST_CASE(a_server_without_groups_gets_one_stream_however_many_are_asked_for) {
  script s{with(4, profile::phantun)};
  BOOST_TEST(s.start() == "announce none of an older dialect, open 1 as phantun");
  BOOST_TEST(s.report(of(profile::phantun, kind::opened, 1)) ==
             "say no groups, announce 1 with little room of an older dialect");
  s.report(of(profile::phantun, kind::greeted, 1));
  BOOST_TEST(s.machine().streams().size() == 1u);
  BOOST_TEST(s.opened_last.stream == 1u);
}

BOOST_AUTO_TEST_CASE(a_join_that_fails_has_the_groups_first_stream_asked_once_in_ten_seconds) {
  script s{with(2, profile::tonel)};
  s.start();
  s.report(opened_by_tonel(1, 7));
  s.report(of(profile::tonel, kind::greeted, 1));
  BOOST_TEST(s.opened_last.config.join_token == 7);
  BOOST_TEST(s.end(2, end_reason::refused) == "probe 1");
  s.after(0s);
  BOOST_TEST(s.end(3, end_reason::refused) == "");
  s.after(10s);
  BOOST_TEST(s.end(s.opened_last.stream, end_reason::refused) == "probe 1");
}

BOOST_AUTO_TEST_CASE(a_group_whose_first_stream_is_lost_is_left_as_a_whole) {
  script s{with(3, profile::tonel)};
  s.start();
  s.report(opened_by_tonel(1, 7));
  s.report(of(profile::tonel, kind::greeted, 1));
  for (stream_number n = 2; n <= 3; ++n) {
    s.report(opened_by_tonel(n, 7));
    s.report(of(profile::tonel, kind::greeted, n));
  }
  BOOST_TEST(s.end(1, end_reason::dead) == "announce 2 3 of an older dialect");
  BOOST_TEST(s.after(0s) == "open 4 as tonel"); // the first of a new group
  s.report(opened_by_tonel(4, 9));
  BOOST_TEST(
      s.report(of(profile::tonel, kind::greeted, 4)) ==
      "announce 4 of an older dialect, open 5 as tonel joining 9, open 6 as tonel joining 9, "
      "announce 4 of an older dialect");
}

BOOST_AUTO_TEST_CASE(a_worn_stream_is_replaced_by_a_join_and_only_by_that) {
  script s{with(1, profile::tonel)};
  s.start();
  s.report(opened_by_tonel(1, 7));
  s.report(of(profile::tonel, kind::greeted, 1));
  BOOST_TEST(s.report(of(profile::tonel, kind::worn, 1)) == "open 2 as tonel joining 7");
  script alone{with(1, profile::phantun)};
  alone.start();
  alone.report(of(profile::phantun, kind::opened, 1));
  alone.report(of(profile::phantun, kind::greeted, 1));
  BOOST_TEST(alone.report(of(profile::phantun, kind::worn, 1)) == "");
}

BOOST_AUTO_TEST_CASE(in_the_older_dialects_five_ports_are_tried_one_at_a_time) {
  script s{with(1, profile::tonel)};
  s.start();
  for (stream_number n = 1; n < 5; ++n) {
    BOOST_TEST(s.opened_last.config.last_port == false);
    BOOST_TEST(s.after(900ms) == "");
    BOOST_TEST(s.report(kind::try_new_port, n) == "open " + std::to_string(n + 1) + " as tonel");
  }
  BOOST_TEST(s.opened_last.config.last_port);
}

BOOST_AUTO_TEST_SUITE_END()
