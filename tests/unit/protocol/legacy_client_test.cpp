// Our client towards servers of tonel 0.6.1 and phantun: tables of segments.

#include "protocol/acceptor.hpp"
#include "tests/unit/protocol/stream_script.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::protocol;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

script_setup client_of(profile wire) {
  script_setup s;
  s.wire = wire;
  s.iss = 0;
  s.irs = wire == profile::phantun ? 0 : 40'001;
  s.keepalive = 20s;
  return s;
}

const script_setup to_tonel = client_of(profile::tonel), to_phantun = client_of(profile::phantun);

/// What opens a stream to tonel at 40 ms.
void open(stream_script& s) {
  s.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:1", "A 1:1 | probe"},
      {40ms, "raw A 1:0", "opened | greeted"},
  });
}

/// Such a stream, and then the table.
void run_open(std::initializer_list<row> rows) {
  stream_script s{to_tonel};
  open(s);
  s.run(rows);
}

} // namespace

BOOST_AUTO_TEST_SUITE(legacy_client_test)

BOOST_AUTO_TEST_CASE(tonel_is_asked_before_data_goes) {
  stream_script{to_tonel}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:1", "A 1:1 | probe"},
      {21ms, "send 100", "full"}, // not open
      {40ms, "raw A 1:0", "opened | greeted"},
      {41ms, "send 100!", "A 1:1(100)"}, // no PSH
      {42ms, "send 0", "A 101:1"},
      {60ms, "raw A 40002:101(80)", "deliver 0+80"},
      // Never an ACK of its own; 3 s after the last datagram, a probe.
      {3'060ms, "timer", "probe"},
      {3'080ms, "raw A 1:0", ""},
  });
}

BOOST_AUTO_TEST_CASE(a_lost_probe_or_answer_is_repeated_and_a_lost_third_ack_costs_the_port) {
  stream_script{to_tonel}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:1", "A 1:1 | probe"},
      {1'020ms, "timer", "probe"},
      {1'040ms, "raw A 1:0", "opened | greeted"},
  });
  stream_script{to_tonel}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:1", "A 1:1 | probe"},
      {1'020ms, "timer", "probe"},
      {3'020ms, "timer", "RA 1:1 | new port"},
  });
  // tonel's server takes a probe in the place of the third ACK for an end, and says so with
  // sequence number 0.
  stream_script{to_tonel}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:1", "A 1:1 | probe"},
      {40ms, "raw R 0:0", "new port | forgotten"},
  });
}

BOOST_AUTO_TEST_CASE(the_first_port_is_left_sooner_so_that_datagrams_can_wait_for_the_next) {
  auto s = to_tonel;
  s.first_port = true;
  stream_script{s}.run({{0ms, "open", "S 0:0"}, {1'000ms, "timer", "new port | forgotten"}});
  stream_script{s}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:1", "A 1:1 | probe"},
      {1'020ms, "timer", "probe"},
      {2'020ms, "timer", "RA 1:1 | new port"},
  });
  auto repeated = client_of(profile::phantun);
  repeated.first_port = true;
  stream_script{repeated}.run({
      {0ms, "open", "S 0:0"},
      {1'000ms, "timer", "S 0:0"},
      {2'000ms, "timer", "S 0:0"},
      {3'000ms, "timer", "new port | forgotten"},
  });
}

BOOST_AUTO_TEST_CASE(a_syn_goes_to_tonel_once_and_the_next_one_from_another_port) {
  for (const auto wire : {profile::tonel, profile::legacy}) {
    auto s = client_of(wire);
    stream_script{s}.run({{0ms, "open", "S 0:0"}, {3'000ms, "timer", "new port | forgotten"}});
    s.last_port = true;
    stream_script{s}.run(
        {{0ms, "open", "S 0:0"}, {3'000ms, "timer", "ended timed_out | forgotten"}});
  }
}

BOOST_AUTO_TEST_CASE(phantun_gets_its_syn_again) {
  stream_script{to_phantun}.run({
      {0ms, "open", "S 0:0"},
      {1'000ms, "timer", "S 0:0"},
      {2'000ms, "timer", "S 0:0"},
      {2'100ms, "raw SA 0:1", "A 1:1 | A 1:1 | probe | opened | greeted"},
      {2'101ms, "send 100!", "A 1:1(100)"},
      {3'000ms, "raw SA 0:1", "A 101:1"}, // our ACK was lost
      {3'001ms, "raw A 1:101(50)", "deliver 0+50"},
      {3'002ms, "raw A 51:101", ""},   // its ACK after 128 MiB, and zero-length datagrams
      {4'001ms, "timer", "A 101:51"},  // which opens the window of trackers on the way
      {23'002ms, "timer", "A 101:51"}, // no probe: it would zero its ack
  });
}

BOOST_AUTO_TEST_CASE(a_copy_of_tonels_syn_ack_is_not_answered) {
  stream_script{to_tonel}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:1", "A 1:1 | probe"},
      {21ms, "raw SA 40001:1", "drop bad_flags"},
      {40ms, "raw A 1:0", "opened | greeted"},
      {41ms, "raw SA 40001:1", "drop bad_flags"},
  });
}

BOOST_AUTO_TEST_CASE(a_syn_ack_tells_tonel_from_phantun) {
  auto s = client_of(profile::legacy);
  stream_script is_tonel{s}, is_phantun{s}, is_moved{s};
  is_tonel.run({{0ms, "open", "S 0:0"}, {1ms, "raw SA 65535:1", "A 1:25535 | probe"}});
  BOOST_TEST((is_tonel.under_test().wire() == profile::tonel));
  BOOST_TEST(is_tonel.under_test().group_token() == 65'535u);
  is_phantun.run({{0ms, "open", "S 0:0"},
                  {1ms, "raw SA 0:1", "A 1:-40000 | A 1:-40000 | probe | opened | greeted"}});
  BOOST_TEST((is_phantun.under_test().wire() == profile::phantun));
  // Something on the way has moved the numbers: no group, and no probe that it could move, too.
  is_moved.run({{0ms, "open", "S 0:0"},
                {1ms, "raw SA 70000:1", "A 1:30000 | A 1:30000 | probe | opened | greeted"}});
  BOOST_TEST(is_moved.under_test().group_token() == 0u);
}

BOOST_AUTO_TEST_CASE(a_native_syn_finds_out_what_the_server_is) {
  script_setup s;
  s.detect_legacy = true;
  stream_script{s}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40000:1001", "RA 1:35001 | peer is legacy | forgotten"},
  });
  stream_script{s}.run(
      {{0ms, "open", "S 0:0"}, {20ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"}});
  // A firewall has taken SACK-permitted out: no older server starts so high.
  stream_script{s}.run(
      {{0ms, "open", "S 0:0"},
       {20ms, "raw SA 65536:1001", "mtu 536 | A 1:60537 | PA 1:60537(76) | opened"}});
  s.detect_legacy = false; // --wire native takes what it gets
  stream_script{s}.run(
      {{0ms, "open", "S 0:0"},
       {20ms, "raw SA 40000:1001", "mtu 536 | A 1:35001 | PA 1:35001(76) | opened"}});
}

BOOST_AUTO_TEST_CASE(a_refused_syn_is_refused_whether_it_was_counted_or_not) {
  for (const auto* rst : {"raw RA 0:1", "raw RA 0:0"})
    stream_script{to_tonel}.run({{0ms, "open", "S 0:0"}, {20ms, rst, "ended refused | forgotten"}});
  stream_script{to_tonel}.run({{0ms, "open", "S 0:0"}, {20ms, "raw R 0:0", "drop out_of_window"}});
}

BOOST_AUTO_TEST_CASE(probes_are_answered_at_once_and_are_no_datagrams) {
  run_open({
      {3'040ms, "raw A 0:0", "reply"},
      {6'040ms, "raw A 0:0", "reply"},
      {6'041ms, "raw A 1:0", ""}, // late answers are no datagrams either
      {6'042ms, "raw A 1:0", ""},
      // A datagram under way is the answer, behind which another would be one, too.
      {9'000ms, "send 10", "A 1:1(10)"},
      {9'040ms, "raw A 0:0", ""},
      {10'000ms, "raw A 0:0", "reply"},
  });
}

BOOST_AUTO_TEST_CASE(a_silent_tonel_is_replaced_after_the_first_probe_and_dead_after_18_seconds) {
  run_open({
      {100ms, "send 100!", "A 1:1(100)"},
      {3'100ms, "timer", "probe"},
      {6'100ms, "timer", "silent | probe"},
      {9'100ms, "timer", "probe"},
      {12'100ms, "timer", "probe"},
      {15'100ms, "timer", "probe"},
      {18'100ms, "timer", "probe"},
      {21'100ms, "timer", "RA 101:1 | ended dead"},
      {21'110ms, "raw A 40002:1(10)", "RA 1:1"},
      {31'100ms, "timer", "forgotten"},
  });
}

BOOST_AUTO_TEST_CASE(what_a_probe_does_to_tonels_ack_field_costs_no_datagram) {
  run_open({
      {41ms, "raw A 40002:1(80)", "deliver 0+80"}, // ack 1 is right, and what a late answer leaves
      {42ms, "send 50!", "A 1:81(50)"},
      {43ms, "raw A 40082:1(80)", "deliver 0+80"},
      {44ms, "raw A 40162:0(80)", "deliver 0+80"},
      {45ms, "raw A 40242:1000(80)", "drop out_of_window"}, // of nothing that was sent
      {46ms, "raw A 40082:51(80)", "deliver 0+80"},         // late ones, too
  });
}

BOOST_AUTO_TEST_CASE(the_ack_never_goes_back) {
  run_open({
      {41ms, "raw A 40102:1(100)", "deliver 0+100"},
      {42ms, "raw A 40002:1(100)", "deliver 0+100"},
      {43ms, "send 10!", "A 1:201(10)"},
  });
}

BOOST_AUTO_TEST_CASE(closing_is_a_reset_in_place) {
  stream_script s{to_tonel};
  open(s);
  s.run({
      {41ms, "send 100!", "A 1:1(100)"},
      {42ms, "close", "RA 101:1 | ended closed_by_us"},
      // However spoilt their ack fields are, late segments are answered in place.
      {300ms, "raw A 40002:1(50)", "RA 1:1"},
      {500ms, "raw A 0:0", "RA 101:1"},
      {10'042ms, "timer", "forgotten"},
  });
  run_open({
      {41ms, "exit", "RA 1:1 | ended closed_by_us | forgotten"},
  });
}

BOOST_AUTO_TEST_CASE(a_reset_counts_in_its_place_and_tonels_own_draws_a_question) {
  const auto run_after_data = [](std::initializer_list<row> rows) {
    stream_script s{to_tonel};
    open(s);
    s.run({{41ms, "raw A 40002:1(100)", "deliver 0+100"}});
    s.run(rows);
  };
  run_after_data({{50ms, "raw RA 40102:1", "ended reset | forgotten"}});
  run_after_data({{50ms, "raw R 40502:0", "ended reset | forgotten"}}); // datagrams were lost
  run_after_data({{50ms, "raw R 900000:0", "drop out_of_window | probe"}, {60ms, "raw A 1:0", ""}});
  run_after_data({{50ms, "raw R 0:0", "drop out_of_window | probe"},
                  {60ms, "raw R 0:0", "drop out_of_window"},
                  {3'050ms, "timer", "RA 1:101 | ended dead"}});
}

BOOST_AUTO_TEST_CASE(a_fin_is_nobodys) {
  run_open({
      {41ms, "raw FA 40002:1", "drop bad_flags"},
  });
}

BOOST_AUTO_TEST_CASE(the_servers_handshake_packet_is_told_by_its_place) {
  auto s = to_tonel;
  s.handshake_packet = 37;
  stream_script{s}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:1", "A 1:1 | A 1:1(37)"},
      {40ms, "raw A 40002:38(38)", "opened | greeted"},
      {41ms, "send 100!", "A 38:39(100)"},
      {42ms, "raw A 40002:38(38)", ""}, // a copy
      {43ms, "raw A 40040:138(50)", "deliver 0+50"},
  });
  // It was lost: what follows is no handshake packet, and is not eaten.
  stream_script{s}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:1", "A 1:1 | A 1:1(37)"},
      {40ms, "raw A 40040:38(50)", "opened | greeted | deliver 0+50"},
  });
  // Merged with the datagram behind it.
  stream_script{s}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:1", "A 1:1 | A 1:1(37)"},
      {40ms, "raw A 40002:38(60)/38", "opened | greeted | deliver 38+22"},
  });
}

BOOST_AUTO_TEST_CASE(data_that_does_not_acknowledge_our_packet_comes_before_the_servers) {
  auto s = to_tonel;
  s.iss = 30'000; // the group's; datagrams of its upstream come at once
  s.handshake_packet = 37;
  stream_script{s}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:30001", "A 1:1 | A 1:1(37)"},
      {40ms, "raw A 40002:30001(50)", "deliver 0+50"},
      {41ms, "raw A 40052:30001(50)", "deliver 0+50"},
      {42ms, "send 100", "full"}, // it would be taken for our packet
      {43ms, "raw A 40102:30038(38)", "opened | greeted"},
      {44ms, "send 100!", "A 38:139(100)"},
      {45ms, "raw A 40140:30138(50)", "deliver 0+50"},
      {46ms, "raw A 40002:30001(50)", "deliver 0+50"}, // a copy, or late
      {47ms, "raw A 40102:30038(38)", ""},
  });
  // Ours was lost: what comes twice the round trip later still does not acknowledge it.
  stream_script{s}.run({
      {0ms, "open", "S 0:0"},
      {150ms, "raw SA 40001:30001", "A 1:1 | A 1:1(37)"},
      {440ms, "raw A 40002:30001(50)", "deliver 0+50"},
      {460ms, "raw A 40052:30001(50)", "deliver 0+50 | A 1:101(37)"},
      {470ms, "raw A 40102:30001(50)", "deliver 0+50"},
      {610ms, "raw A 40152:30038(38)", "opened | greeted"},
  });
  // What stood before the packet was lost, or the packet: no packet reaches an application.
  stream_script{s}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:30001", "A 1:1 | A 1:1(37)"},
      {40ms, "raw A 40052:30038(38)", "opened | greeted"},
      {41ms, "raw A 40002:30001(50)", "deliver 0+50"},
      {42ms, "raw A 40090:30038(50)", "deliver 0+50"},
  });
  // Its probes are none of it.
  stream_script{s}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:30001", "A 1:1 | A 1:1(37)"},
      {2'900ms, "raw A 0:0", "reply"},
      {2'910ms, "send 100", "full"},
  });
}

BOOST_AUTO_TEST_CASE(a_lost_handshake_packet_costs_the_port_but_no_datagram) {
  auto s = to_tonel;
  s.handshake_packet = 37;
  stream_script{s}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:1", "A 1:1 | A 1:1(37)"},
      {3'020ms, "timer", "RA 38:1 | new port"},
  });
  s.last_port = true; // a server that has none
  stream_script{s}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 40001:1", "A 1:1 | A 1:1(37)"},
      {3'020ms, "timer", "opened | greeted"},
  });
}

BOOST_AUTO_TEST_CASE(phantuns_handshake_packets_go_both_ways_unasked) {
  auto s = to_phantun;
  s.handshake_packet = 37;
  stream_script{s}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 0:1", "A 1:1 | A 1:1 | probe | A 1:1(37) | opened | greeted"},
      {40ms, "raw A 1:38(50)", "deliver 0+50"}, // its server may have none
  });
}

BOOST_AUTO_TEST_CASE(an_upload_to_phantun_gets_one_ack_out_of_it_before_trackers_stop_it) {
  stream_script{to_phantun}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 0:1", "A 1:1 | A 1:1 | probe | opened | greeted"},
      {21ms, "run 1000 16", "A 1:1(16000)"},
      {23ms, "run 1000 60", "A 16001:1(44000)"}, // up to 60,000 octets until it has answered
      {24ms, "send 1000", "full"},
      {40ms, "raw A 1:0", ""},
      {41ms, "run 1000 60", "A 60001:1(60000)"},
  });
  // The answer was lost: no more waiting. Where nothing tracks, nothing stops.
  stream_script{to_phantun}.run({
      {0ms, "open", "S 0:0"},
      {20ms, "raw SA 0:1", "A 1:1 | A 1:1 | probe | opened | greeted"},
      {21ms, "run 1000 60", "A 1:1(60000)"},
      {1'019ms, "send 1000", "full"},
      {1'020ms, "run 1000 60", "A 60001:1(60000)"},
  });
}

BOOST_AUTO_TEST_CASE(a_client_moves_to_a_new_stream_before_trackers_close_the_old_one) {
  stream_script s{to_tonel};
  open(s);
  std::uint64_t sent = 0;
  while (sent < (std::uint64_t{512} << 20)) {
    BOOST_REQUIRE(s.under_test().admit(60'000, 1, s.now()) == 1u);
    s.under_test().data_header(60'000, 1, true, s.now());
    sent += 60'000;
  }
  s.run({{40ms, "timer", "silent"}, {41ms, "raw A 1:0", "recovered"}});
  BOOST_TEST(s.under_test().admit(60'000, 1, s.now()) == 1u);
}

BOOST_AUTO_TEST_CASE(a_download_that_nothing_acknowledges_wears_its_connection_out) {
  stream_script s{to_tonel};
  open(s);
  segment_repr in;
  in.tuple = s.config().tuple;
  in.flags = flag::ack;
  in.ack = {1};
  in.payload_length = in.datagram_size = 60'000;
  for (std::uint32_t got = 0; got < (512u << 20); got += in.payload_length) {
    in.seq = {40'002 + got};
    s.under_test().on_segment(in, {}, s.now());
  }
  s.run({{40ms, "timer", "worn"}});
}

BOOST_AUTO_TEST_CASE(an_mss_that_a_router_put_in_counts) {
  stream_script s{to_tonel};
  s.run({{0ms, "open", "S 0:0"}});
  BOOST_TEST(s.under_test().max_datagram() == 1'460u);
  segment_repr in;
  in.tuple = s.config().tuple;
  in.flags = flag::syn | flag::ack;
  in.seq = {40'001};
  in.ack = {1};
  in.mss = 1'400;
  in.window_scale = 14;
  s.under_test().on_segment(in, {}, s.now());
  BOOST_TEST(s.under_test().max_datagram() == 1'400u);
}

BOOST_AUTO_TEST_CASE(datagrams_never_exceed_what_those_programs_can_take) {
  auto s = to_tonel;
  s.mtu = 9'000;
  stream_script jumbo{s};
  jumbo.run({{0ms, "open", "S 0:0"}, {20ms, "raw SA 40001:1", "mtu 1460 | A 1:1 | probe"}});
  s.v6 = true;
  stream_script v6{s};
  v6.run({{0ms, "open", "S 0:0"}, {20ms, "raw SA 40001:1", "mtu 1440 | A 1:1 | probe"}});
}

BOOST_AUTO_TEST_SUITE_END()
