// Our server towards clients of tonel 0.6.1 and phantun: tables of segments.

#include "protocol/acceptor.hpp"
#include "tests/unit/protocol/stream_script.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::protocol;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

const syn_cookie cookie{{9, 8, 7}};

script_setup server_of(profile wire) {
  script_setup s;
  s.client = false;
  s.wire = wire;
  s.iss = 30'000;
  s.irs = 0;
  s.idle_timeout = 180s;
  s.cookie = &cookie;
  return s;
}

const script_setup unknown = server_of(profile::legacy), from_tonel = server_of(profile::tonel),
                   from_phantun = server_of(profile::phantun);

} // namespace

BOOST_AUTO_TEST_SUITE(legacy_server_test)

BOOST_AUTO_TEST_CASE(a_peer_of_unknown_kind_gets_nothing_that_one_of_them_minds) {
  stream_script{unknown}.run({
      {0ms, "raw A 1:30001", ""}, // the third ACK
      {1ms, "raw A 1:30001(100)", "deliver 0+100"},
      {2ms, "raw A 101:30001(100)", "deliver 0+100"},
      {3ms, "send 50!", "A 1:201(50)"},
      // No ACK, no keepalive: the next thing is that the session is idle.
      {180'003ms, "timer", "idle"},
  });
}

BOOST_AUTO_TEST_CASE(the_first_payload_is_kept_where_it_completes_the_handshake) {
  stream_script{unknown}.run({
      {0ms, "raw A 1:30001(100)", "deliver 0+100"},
      {1ms, "raw A 1:30001", ""},              // the third ACK was late
      {2ms, "raw A 101:30001", "deliver 0+0"}, // this is a zero-length datagram
  });
}

BOOST_AUTO_TEST_CASE(a_probe_shows_tonel) {
  stream_script s{unknown};
  s.run({
      {0ms, "raw A 1:30001", ""},
      {1ms, "raw A 1:30001(100)", "deliver 0+100"},
      {3'001ms, "raw A 0:0", "reply"},
  });
  BOOST_TEST((s.under_test().wire() == profile::tonel));
  s.run({
      {6'001ms, "raw A 0:0", "reply"},
      // Its own probes come every 3 s; where they don't, it is asked, and dead after 18 s.
      {10'001ms, "timer", "probe"},
      {13'001ms, "timer", "probe"},
      {16'001ms, "timer", "probe"},
      {19'001ms, "timer", "probe"},
      {22'001ms, "timer", "probe"},
      {25'001ms, "timer", "probe"},
      {28'001ms, "timer", "RA 1:101 | ended dead"},
  });
}

BOOST_AUTO_TEST_CASE(a_repeated_syn_shows_phantun) {
  stream_script s{unknown};
  s.run({
      {0ms, "raw A 1:30001(100)", "deliver 0+100"},
      {1'000ms, "raw S 0:0", ""},
  });
  BOOST_TEST((s.under_test().wire() == profile::phantun));
  s.run({
      // Its ACKs are not datagrams now, and ours open the trackers' windows.
      {1'001ms, "raw A 101:30001", ""},
      {1'002ms, "raw A 101:30001(50)", "deliver 0+50"},
      {2'002ms, "timer", "A 1:151"},
  });
}

BOOST_AUTO_TEST_CASE(a_syn_that_the_path_has_doubled_shows_nothing) {
  stream_script s{unknown};
  s.run({
      {0ms, "raw A 1:30001(100)", "deliver 0+100"},
      {499ms, "raw S 0:0", ""},
      {1'001ms, "raw A 101:30001", "deliver 0+0"}, // a datagram, as from tonel
  });
  BOOST_TEST((s.under_test().wire() == profile::legacy));
}

BOOST_AUTO_TEST_CASE(an_ack_of_128_mebibytes_shows_phantun) {
  stream_script s{unknown};
  s.run({{0ms, "raw A 1:30001(100)", "deliver 0+100"}});
  for (int i = 0; i < 2'300; ++i)
    s.under_test().data_header(60'000, 1, true, s.now());
  s.run({{1ms, "raw A 101:134250001", ""}});
  BOOST_TEST((s.under_test().wire() == profile::phantun));
}

BOOST_AUTO_TEST_CASE(the_start_opens_the_trackers_of_a_known_client) {
  stream_script{from_tonel}.run({{0ms, "raw A 1:30001", "probe"}});
  stream_script{from_phantun}.run({{0ms, "raw A 1:30001", "A 1:1"}});
  auto s = unknown;
  s.handshake_packet = 38;
  stream_script{s}.run({{0ms, "raw A 1:30001", "A 1:1(38)"}});
}

BOOST_AUTO_TEST_CASE(an_upload_of_an_unknown_client_is_probed_once_and_the_answer_tells) {
  stream_script is_tonel{unknown}, is_phantun{unknown};
  is_tonel.run({
      {0ms, "raw A 1:30001(16000)/1000", "deliver 0+16000"},
      {1ms, "raw A 16001:30001(1000)", "deliver 0+1000 | probe"},
      {2ms, "raw A 17001:30001(1000)", "deliver 0+1000"},
      {21ms, "raw A 1:0", ""},
  });
  BOOST_TEST((is_tonel.under_test().wire() == profile::tonel));
  is_phantun.run({
      {0ms, "raw A 1:30001(17000)/1000", "deliver 0+17000 | probe"},
      {20ms, "raw A 17001:0(1000)", "deliver 0+1000"},
      {21ms, "raw A 18001:0", "A 1:18001"}, // sets its ack field right
      {22ms, "raw A 18001:30001(1000)", "deliver 0+1000"},
  });
  BOOST_TEST((is_phantun.under_test().wire() == profile::phantun));
}

BOOST_AUTO_TEST_CASE(an_upload_that_outran_the_opener_is_set_going_as_its_kind_can_take_it) {
  // No probe within 4 s: phantun, to which an ACK is nothing. The probe behind it makes sure.
  stream_script{unknown}.run({
      {0ms, "raw A 1:30001(64000)/1000", "deliver 0+64000 | probe"},
      {1ms, "raw A 64001:30001(60000)/1000", "deliver 0+60000"},
      {4'000ms, "timer", "A 1:124001 | probe"},
      {4'020ms, "raw A 124001:0", "A 1:124001"},
  });
  // tonel asks after 3 s. What it can take is a RST: its next datagram comes on another connection.
  stream_script{unknown}.run({
      {0ms, "raw A 1:30001(64000)/1000", "deliver 0+64000 | probe"},
      {1ms, "raw A 64001:30001(60000)/1000", "deliver 0+60000"},
      {3'020ms, "raw A 0:0", "reply"},
      {4'000ms, "timer", "RA 1:124001 | ended dead"},
  });
  // Its answer comes behind more than a probe can open, so that tells no more than what it is.
  stream_script{unknown}.run({
      {0ms, "raw A 1:30001(64000)/1000", "deliver 0+64000 | probe"},
      {1ms, "raw A 64001:30001(60000)/1000", "deliver 0+60000"},
      {20ms, "raw A 1:0", ""},
      {4'000ms, "timer", "RA 1:124001 | ended dead"},
  });
  // It flows on beyond what trackers would let through.
  stream_script{unknown}.run({
      {0ms, "raw A 1:30001(64000)/1000", "deliver 0+64000 | probe"},
      {1ms, "raw A 64001:30001(64000)/1000", "deliver 0+64000"},
      {2ms, "raw A 128001:30001(64000)/1000", "deliver 0+64000"},
      {4'000ms, "timer", ""},
  });
  // It flows all the same: the probe was lost, or its answer.
  stream_script{unknown}.run({
      {0ms, "raw A 1:30001(64000)/1000", "deliver 0+64000 | probe"},
      {3'500ms, "raw A 64001:30001(60000)/1000", "deliver 0+60000"},
      {4'000ms, "timer", "probe"},
  });
  // An answer of the upstream has opened all windows.
  stream_script{unknown}.run({
      {0ms, "raw A 1:30001(64000)/1000", "deliver 0+64000 | probe"},
      {1ms, "raw A 64001:30001(60000)/1000", "deliver 0+60000"},
      {2ms, "send 10", "A 1:124001(10)"},
      {4'000ms, "timer", ""},
  });
}

BOOST_AUTO_TEST_CASE(the_clients_handshake_packet_is_told_by_its_place_and_ours_goes_at_once) {
  auto s = unknown;
  s.handshake_packet = 38;
  stream_script{s}.run({
      {0ms, "raw A 1:30001", "A 1:1(38)"},
      {1ms, "raw A 1:30001(37)", ""},
      {2ms, "raw A 38:30039(100)", "deliver 0+100"},
      {3ms, "raw A 1:30001(37)", ""}, // a copy
      {4ms, "send 50!", "A 39:138(50)"},
  });
  stream_script{s}.run({
      {0ms, "raw A 38:30001(100)", "A 1:1(38) | deliver 0+100"}, // its packet was lost or is late
      {1ms, "raw A 1:30001(37)", ""},
      {2ms, "raw A 138:30001(100)", "deliver 0+100"},
  });
}

BOOST_AUTO_TEST_CASE(our_handshake_packet_is_repeated_where_the_client_has_not_got_it) {
  auto s = unknown;
  s.handshake_packet = 38;
  stream_script{s}.run({
      {0ms, "raw A 1:30001", "A 1:1(38)"},
      {1ms, "raw A 1:30001(37)", ""},
      {900ms, "raw A 38:30001(100)", "deliver 0+100"},
      {1'200ms, "raw A 138:30001(100)", "A 1:238(38) | deliver 0+100"},
      {1'300ms, "raw A 238:30039(100)", "deliver 0+100"},
      {9'300ms, "raw A 338:1(100)", "deliver 0+100"}, // a spoilt ack says nothing
  });
}

BOOST_AUTO_TEST_CASE(a_client_that_has_shown_nothing_is_told_three_times_what_it_said) {
  auto s = unknown;
  s.limited_answers = true;
  stream_script{s}.run({
      {0ms, "raw A 1:30001", ""},                   // 40 octets with its header
      {1ms, "raw A 1:30001(100)", "deliver 0+100"}, // 140
      {2ms, "send 400", "A 1:101(400)"},            // of 540, 440
      {3ms, "send 61", "full"},
      {4ms, "raw A 101:1(1000)", "deliver 0+1000"}, // spoilt, or forged: earns nothing
      {5ms, "send 61", "full"},
      {6ms, "send 60", "A 401:1101(60)"},
      {7ms, "raw A 1101:30301(10)", "deliver 0+10"}, // no segment ended there
      {8ms, "send 0", "full"},
      {9ms, "raw A 1111:30401(10)", "deliver 0+10"}, // it has the first answer
      {10ms, "run 1000 60", "A 461:1121(60000)"},
  });
}

BOOST_AUTO_TEST_CASE(who_guesses_what_we_sent_loses_the_stream) {
  auto s = unknown;
  s.limited_answers = true;
  stream_script guessing{s};
  guessing.run({{0ms, "raw A 1:30001(100)", "deliver 0+100"}, {1ms, "send 200", "A 1:101(200)"}});
  for (int i = 0; i < 15; ++i)
    guessing.run({{2ms, "raw A 101:40000(10)", "drop out_of_window"}});
  guessing.run({{3ms, "raw A 101:40000(10)", "drop out_of_window | RA 201:101 | ended dead"}});
}

BOOST_AUTO_TEST_CASE(late_answers_and_foreign_keepalives_are_no_datagrams) {
  stream_script{unknown}.run({
      {0ms, "raw A 1:30001(100)", "deliver 0+100"},
      {1ms, "raw A 1:0", ""},
      {2ms, "raw A 100:30001", ""},
      {3ms, "raw FA 101:30001", "drop bad_flags"},
      {4ms, "raw A 101:30001", "deliver 0+0"},
  });
}

BOOST_AUTO_TEST_CASE(a_clients_reset_closes_in_its_place_alone) {
  stream_script{unknown}.run({
      {0ms, "raw A 1:30001(100)", "deliver 0+100"},
      {1ms, "raw R 90000000:0", "drop out_of_window"},
      {2ms, "raw R 0:0", "drop out_of_window"},
      {3ms, "raw R 101:0", "ended closed_by_peer | forgotten"},
  });
}

BOOST_AUTO_TEST_CASE(a_closed_connection_is_remembered_for_minutes) {
  stream_script{unknown}.run({
      {0ms, "raw A 1:30001(100)", "deliver 0+100"},
      {1ms, "send 70!", "A 1:101(70)"},
      {2ms, "close", "RA 71:101 | ended closed_by_us"},
      {60'000ms, "raw A 101:1(100)", "RA 71:101"},
      {61'000ms, "raw A 0:0", "RA 71:101"},
      {120'002ms, "timer", "forgotten"},
  });
}

BOOST_AUTO_TEST_CASE(a_client_that_starts_anew_from_the_same_port_is_let_in) {
  stream_script s{unknown};
  s.run({{0ms, "raw A 1:30001(100)", "deliver 0+100"},
         {1ms, "send 70!", "A 1:101(70)"},
         {10ms, "raw S 0:0", ""}}); // a copy of the first
  const auto token = cookie.token(s.config().tuple, {0}, s.now() + 5s);
  const auto syn_ack = "SA " + std::to_string(std::int64_t{token} - 30'000) + ":1";
  const auto third = "raw A 1:" + std::to_string(token + 1);
  const auto forged = "raw A 1:" + std::to_string(token + 2);
  s.run({{5'000ms, "raw S 0:0", syn_ack.c_str()},
         {5'001ms, "raw S 0:0", ""},                       // one a second
         {5'010ms, "raw A 101:30001(10)", "deliver 0+10"}, // the old one lives until there is proof
         {5'011ms, forged.c_str(), "drop out_of_window"},
         {5'020ms, third.c_str(), "ended closed_by_peer | forgotten"}});
}

BOOST_AUTO_TEST_CASE(a_syn_to_a_closed_connection_is_answered_since_tonel_sends_but_one) {
  stream_script s{unknown};
  s.run({{0ms, "raw A 1:30001(100)", "deliver 0+100"},
         {2ms, "close", "RA 1:101 | ended closed_by_us"}});
  const auto token = cookie.token(s.config().tuple, {0}, s.now() + 5s);
  const auto syn_ack = "SA " + std::to_string(std::int64_t{token} - 30'000) + ":1 | forgotten";
  s.run({{5'000ms, "raw S 0:0", syn_ack.c_str()}});
}

BOOST_AUTO_TEST_CASE(a_native_client_on_the_port_of_a_legacy_one_gets_in_by_the_challenge) {
  stream_script{unknown}.run({
      {0ms, "raw A 1:30001(100)", "deliver 0+100"},
      {5'000ms, "raw S 100000:0 native", "A 1:101"},
      {5'020ms, "raw R 101:0", "ended closed_by_peer | forgotten"},
  });
}

BOOST_AUTO_TEST_CASE(a_superseded_stream_reads_on_and_closes_by_a_reset) {
  stream_script{from_tonel}.run({
      {0ms, "raw A 1:30001", "probe"},
      {1ms, "supersede", ""},
      {2ms, "raw A 1:30001(100)", "deliver 0+100"},
      {3ms, "send 10", "full"},
      {3'001ms, "timer", "RA 1:101 | ended superseded"},
  });
}

BOOST_AUTO_TEST_SUITE_END()
