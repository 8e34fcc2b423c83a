#include "tests/unit/protocol/session_script.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::protocol;
using namespace tonel::test;
using namespace tonel::test::session_script;
using script = server_script;

BOOST_AUTO_TEST_SUITE(server_session_test)

BOOST_AUTO_TEST_CASE(a_stream_that_proves_to_be_the_clients_is_taken) {
  script s{2};
  BOOST_TEST(s.join(0) == "admit 1");
  BOOST_TEST((s.admitted_last.config.session.secret == session_secret{8}));
  BOOST_TEST((s.admitted_last.config.fellows != nullptr));
  BOOST_TEST(s.join(1) == "admit 2");
  BOOST_TEST((s.machine().state() == standing::open));
  BOOST_TEST(s.machine().streams().size() == 2u);
  BOOST_TEST(s.machine().peer().port == 40'002);
}

BOOST_AUTO_TEST_CASE(a_copy_of_a_hello_is_refused_and_counted) {
  script s;
  const auto hello = s.hello(0);
  BOOST_TEST(s.adopt(hello) == "admit 1");
  BOOST_TEST(s.adopt(hello, 66) == "count replayed_hello, refuse");
  auto forged = s.hello(0);
  forged.hello.counter += 9;
  BOOST_TEST(s.adopt(forged, 66) == "count bad_hello, refuse");
}

BOOST_AUTO_TEST_CASE(what_met_another_queue_before_goes_to_its_stream) {
  script s;
  const auto hello = s.hello(0);
  s.adopt(hello);
  BOOST_TEST(s.again(hello) == "give to 1");
}

BOOST_AUTO_TEST_CASE(
    the_upstream_is_opened_by_the_first_datagram_and_streams_are_announced_from_then_on) {
  script s{2};
  BOOST_TEST(s.join(0) == "admit 1");
  BOOST_TEST(s.report(kind::sink_wanted, 1) == "open upstream, announce 1");
  BOOST_TEST(s.report(kind::sink_wanted, 1) == "");
  BOOST_TEST(s.join(1) == "admit 2, announce 1 2");
}

BOOST_AUTO_TEST_CASE(a_later_stream_of_an_index_takes_the_place_of_the_earlier) {
  script s;
  s.join(0);
  s.report(kind::sink_wanted, 1);
  BOOST_TEST(s.join(0) == "admit 2, supersede 1, announce 2");
  BOOST_TEST(s.end(1, end_reason::superseded) == "");
  BOOST_TEST(s.gone(1) == "");
}

BOOST_AUTO_TEST_CASE(streams_that_were_replaced_and_still_drain_are_few) {
  script s;
  for (int i = 0; i < 4; ++i)
    s.join(0);
  BOOST_TEST(s.join(0) == "count a refusal, refuse");
  s.gone(1);
  BOOST_TEST(s.join(0) == "admit 5, supersede 4");
}

BOOST_AUTO_TEST_CASE(without_a_place_a_stream_is_refused_and_its_hello_is_used_up) {
  script s;
  s.has_place = false;
  const auto hello = s.hello(0);
  BOOST_TEST(s.adopt(hello) == "count a refusal, refuse");
  s.has_place = true;
  BOOST_TEST(s.adopt(hello) == "count replayed_hello, refuse");
  BOOST_TEST(s.join(0) == "admit 1");
}

BOOST_AUTO_TEST_CASE(datagrams_leave_a_silent_stream_and_come_back_when_it_recovers) {
  script s{2};
  s.join(0);
  s.join(1);
  s.report(kind::sink_wanted, 1);
  BOOST_TEST(s.report(kind::silent, 1) == "announce 2");
  BOOST_TEST(s.report(kind::recovered, 1) == "announce 1 2");
}

BOOST_AUTO_TEST_CASE(where_all_are_silent_the_client_may_be_and_all_are_used) {
  script s{2};
  s.join(0);
  s.join(1);
  s.report(kind::sink_wanted, 1);
  s.report(kind::silent, 1);
  BOOST_TEST(s.report(kind::silent, 2) == "announce 1 2");
}

BOOST_AUTO_TEST_CASE(after_a_reset_the_client_is_waited_for_as_long_as_a_session_may_be_idle) {
  script s;
  s.join(0);
  s.report(kind::sink_wanted, 1);
  BOOST_TEST(s.end(1, end_reason::reset) == "announce none");
  BOOST_TEST((s.machine().state() == standing::waiting));
  BOOST_TEST((s.due() == 180s));
  BOOST_TEST(s.join(0) == "admit 2, announce 2");
  BOOST_TEST(!s.due());
  s.end(2, end_reason::dead);
  s.gone(1);
  s.gone(2);
  BOOST_TEST(s.after(180s) == "retire, release upstream, finish");
}

BOOST_AUTO_TEST_CASE(the_clients_fin_on_the_last_stream_closes_the_session) {
  script s{2};
  s.join(0);
  s.join(1);
  s.report(kind::sink_wanted, 1);
  BOOST_TEST(s.end(1, end_reason::closed_by_peer) == "announce 2");
  BOOST_TEST(s.end(2, end_reason::closed_by_peer) == "announce none, retire, release upstream");
  BOOST_TEST(s.join(0) == "refuse");
  s.gone(1);
  BOOST_TEST(s.gone(2) == "finish");
}

BOOST_AUTO_TEST_CASE(an_idle_session_closes_in_turn_with_others) {
  script s{2};
  s.join(0);
  s.join(1);
  (void)s.turn.next(s.now); // another session's
  BOOST_TEST(s.report(kind::idle, 1) == "");
  BOOST_TEST(s.report(kind::idle, 2) == "");
  BOOST_TEST((s.due() == 5ms));
  BOOST_TEST(s.after(5ms) == "retire, close 1, close 2");
}

BOOST_AUTO_TEST_CASE(a_datagram_keeps_a_session_whose_turn_has_come) {
  script s;
  s.join(0);
  (void)s.turn.next(s.now);
  s.report(kind::idle, 1);
  s.report(kind::active, 1);
  BOOST_TEST(s.after(5ms) == "");
  (void)s.turn.next(s.now);
  s.report(kind::idle, 1);
  BOOST_TEST(s.after(10ms) == "retire, close 1");
}

BOOST_AUTO_TEST_CASE(the_end_of_the_only_stream_that_was_not_idle_closes_the_session) {
  script s{2};
  s.join(0);
  s.join(1);
  s.report(kind::idle, 1);
  BOOST_TEST(s.end(2, end_reason::reset) == "retire, close 1");
}

BOOST_AUTO_TEST_CASE(a_stream_has_a_deadline_where_the_tunnel_has_one) {
  script s{1, 60s};
  s.join(0);
  BOOST_TEST((*s.admitted_last.ends_at == start + 60s));
  script other;
  other.join(0);
  BOOST_TEST(!other.admitted_last.ends_at);
}

BOOST_AUTO_TEST_CASE(a_client_that_comes_from_another_address_is_said_once_for_all_its_streams) {
  script s{2};
  s.join(0);
  s.join(1);
  BOOST_TEST(s.join(0, 10) == "admit 3, say moved, supersede 1");
  BOOST_TEST((s.said->now_from == ip_address::v4(198, 51, 100, 10)));
  BOOST_TEST(s.said->remote.port == 40'002);
  BOOST_TEST(s.join(1, 10) == "admit 4, supersede 2");
}

BOOST_AUTO_TEST_CASE(what_serves_the_upstream_may_fail_three_times_in_thirty_seconds) {
  script s;
  s.join(0);
  s.report(kind::sink_wanted, 1);
  for (int i = 0; i < 3; ++i)
    BOOST_TEST(s.upstream_gone() == "open upstream, announce 1");
  s.now += 31s;
  BOOST_TEST(s.upstream_gone() == "open upstream, announce 1");
  s.upstream_gone();
  s.upstream_gone();
  BOOST_TEST(s.upstream_gone() == "fail");
}

BOOST_AUTO_TEST_CASE(
    a_stream_that_goes_without_a_word_is_left_out_until_the_client_brings_another) {
  script s;
  s.join(0);
  s.report(kind::sink_wanted, 1);
  BOOST_TEST(s.gone(1) == "announce none");
  BOOST_TEST((s.due() == 180s));
  BOOST_TEST(s.join(0) == "admit 2, announce 2");
}

BOOST_AUTO_TEST_CASE(closing_keeps_the_upstream_until_no_stream_carries_datagrams) {
  script s;
  s.join(0);
  s.report(kind::sink_wanted, 1);
  BOOST_TEST(s.close() == "retire, close 1");
  BOOST_TEST(s.report(kind::silent, 1) == "announce 1"); // what is under way is still read
  BOOST_TEST(s.end(1, end_reason::closed_by_us) == "announce none, release upstream");
  BOOST_TEST(s.gone(1) == "finish");
}

BOOST_AUTO_TEST_CASE(at_exit_those_too_are_closed_that_only_drain) {
  script s;
  s.join(0);
  s.join(0);
  BOOST_TEST(s.close(true) == "retire, close at exit 1, close at exit 2");
}

BOOST_AUTO_TEST_CASE(a_displaced_session_gives_up_its_place_at_once) {
  script s;
  s.join(0);
  s.report(kind::sink_wanted, 1);
  BOOST_TEST(s.displace() == "retire, close at exit 1, release upstream");
  BOOST_TEST(s.displace() == "");
  BOOST_TEST(s.report(kind::sink_wanted, 1) == "");
}

BOOST_AUTO_TEST_CASE(after_suspend_every_stream_in_use_is_probed) {
  script s;
  s.join(0);
  s.join(0);
  BOOST_TEST(s.probe() == "probe 2");
}

BOOST_AUTO_TEST_CASE(a_datagram_that_does_not_fit_is_said_once_for_each_lower_limit) {
  script s;
  s.join(0);
  auto large = report(kind::too_large, 1);
  large.size = 2'000;
  for (const std::uint32_t limit : {1'460u, 1'360u}) {
    large.limit = limit;
    BOOST_TEST(s.report(large) == "say too large");
    BOOST_TEST(s.report(large) == "");
  }
  large.limit = 1'460;
  BOOST_TEST(s.report(large) == "");
}

BOOST_AUTO_TEST_CASE(what_only_a_client_acts_on_changes_nothing) {
  script s;
  s.join(0);
  for (const auto what :
       {kind::opened, kind::greeted, kind::aging, kind::try_new_port, kind::unscaled, kind::legacy})
    BOOST_TEST(s.report(what, 1) == "");
}

// Older clients.

BOOST_AUTO_TEST_CASE(an_older_clients_connections_join_its_group_and_it_ends_with_the_last) {
  auto s = script::older();
  BOOST_TEST(s.join_older(0, true) == "admit 1");
  BOOST_TEST((s.admitted_last.config.wire == profile::tonel));
  BOOST_TEST((s.admitted_last.config.answers != nullptr));
  BOOST_TEST(s.join_older(7) == "admit 2");
  s.report(kind::sink_wanted, 1);
  BOOST_TEST(s.end(1, end_reason::reset) == "announce 2");
  BOOST_TEST(s.end(2, end_reason::reset) == "announce none, retire, release upstream");
}

BOOST_AUTO_TEST_CASE(a_late_segment_of_an_older_first_connection_opens_nothing) {
  auto s = script::older();
  BOOST_TEST(s.join_older(0, false) == "count a refusal, refuse");
}

BOOST_AUTO_TEST_CASE(an_older_group_has_256_connections_at_most) {
  auto s = script::older();
  s.join_older(0, true);
  for (int i = 1; i < 256; ++i)
    BOOST_TEST(s.join_older(7).substr(0, 5) == "admit");
  BOOST_TEST(s.join_older(7) == "count a refusal, refuse");
}

BOOST_AUTO_TEST_CASE(an_older_session_closes_by_reset_after_which_nothing_is_read) {
  auto s = script::older();
  s.join_older(0, true);
  s.report(kind::sink_wanted, 1);
  BOOST_TEST(s.close() == "retire, close 1, release upstream");
}

BOOST_AUTO_TEST_SUITE_END()
