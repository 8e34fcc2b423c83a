#include "protocol/stream.hpp"
#include "tests/unit/protocol/stream_script.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::protocol;
using namespace tonel::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(stream_handshake_test)

BOOST_AUTO_TEST_CASE(handshake_sends_ack_and_hello_and_opens_at_once) {
  run_everywhere({}, {
                         {0ms, "open", "S 0:0"},
                         {50ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
                         {60ms, "send 100 !", "PA 77:1(100)"},
                         {90ms, "hello PA 1:77(76)", "greeted"},
                         {1090ms, "timer", "A 177:77"},
                     });
}

BOOST_AUTO_TEST_CASE(syn_looks_like_that_of_linux) {
  struct {
    bool v6;
    std::uint16_t mtu, mss, window;
  } const table[] = {{false, 1500, 1460, 64'240},
                     {true, 1500, 1440, 64'800},
                     {false, 1400, 1360, 65'280},
                     {false, 9000, 8960, 62'720},
                     {false, 576, 536, 65'392}};
  for (const auto& t : table) {
    script_setup setup;
    setup.v6 = t.v6;
    setup.mtu = t.mtu;
    stream_script s{setup};
    s.run({{0ms, "open", "S 0:0"}});
    BOOST_TEST(s.last_header().mss == t.mss);
    BOOST_TEST(s.last_header().window == t.window);
    BOOST_TEST(s.last_header().ip_id == 100);
  }
}

BOOST_AUTO_TEST_CASE(syn_is_repeated_and_then_another_port_tried) {
  const auto rows = {row{0ms, "open", "S 0:0"}, row{1s, "timer", "S 0:0"},
                     row{3s, "timer", "S 0:0"}, row{7s, "timer", "S 0:0"},
                     row{15s, "timer", "new port | forgotten"}};
  run_everywhere({}, rows);
}

BOOST_AUTO_TEST_CASE(last_port_ends_in_a_timeout) {
  script_setup setup;
  setup.last_port = true;
  run_everywhere(setup, {{0ms, "open", "S 0:0"},
                         {1s, "timer", "S 0:0"},
                         {3s, "timer", "S 0:0"},
                         {7s, "timer", "S 0:0"},
                         {15s, "timer", "ended timed_out | forgotten"}});
  run_everywhere(setup, {{0ms, "open", "S 0:0"},
                         {0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
                         {250ms, "timer", "PA 1:1(76)"},
                         {1s, "timer", "PA 1:1(76)"},
                         {2s, "timer", "PA 1:1(76)"},
                         {4s, "timer", "PA 1:1(76)"},
                         {8s, "timer", "RA 77:1 | ended timed_out"},
                         {18s, "timer", "forgotten"}});
}

BOOST_AUTO_TEST_CASE(first_flight_is_repeated_with_the_same_bytes) {
  stream_script s{script_setup{}};
  s.run({{0ms, "open", "S 0:0"}, {50ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"}});
  const auto first = s.last_payload();
  s.run({{300ms, "timer", "PA 1:1(76)"}});
  BOOST_TEST(s.last_payload() == first);
  s.run({{1050ms, "timer", "PA 1:1(76)"},
         {2050ms, "timer", "PA 1:1(76)"},
         {4050ms, "timer", "PA 1:1(76)"},
         {8050ms, "timer", "RA 77:1 | new port"},
         {18050ms, "timer", "forgotten"}});
}

BOOST_AUTO_TEST_CASE(hello_names_session_length_and_mtu) {
  script_setup setup;
  setup.keepalive = 20s;
  setup.handshake_packet = 300;
  setup.peer_mss = 1'360;
  stream_script s{setup};
  s.run({{0ms, "open", "S 0:0"},
         {50ms, "in SA 0:1", "mtu 1360 | A 1:1 | PA 1:1(300) | PA 301:1(76) | opened"}});
  const auto hello = parse_hello(s.last_payload());
  BOOST_REQUIRE(hello.has_value());
  BOOST_TEST(hello->offset == 300u);
  BOOST_TEST(hello->control_length == 376u);
  BOOST_TEST((hello->session == s.config().session.id));
  BOOST_TEST((hello->keepalive == 20s));
  BOOST_TEST(hello->mtu == 1'400);
}

BOOST_AUTO_TEST_CASE(early_data_is_held_until_the_hello_comes) {
  run_everywhere({}, {
                         {0ms, "open", "S 0:0"},
                         {50ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
                         {100ms, "in A 77:77(100)", "hold"},
                         {110ms, "in PA 177:77", "hold"},
                         {250ms, "in A 177:77(60)", "hold | PA 1:237(76)"},
                         {251ms, "in A 237:77(60)", "hold"},
                         {300ms, "timer", "PA 1:297(76)"},
                         {499ms, "in A 297:77(60)", "hold"},
                         {500ms, "in A 357:77(60)", "hold | PA 1:417(76)"},
                         {510ms, "hello PA 1:77(76)", "greeted | replay"},
                         {510ms, "in A 77:77(100)", "deliver 0+100"},
                         {510ms, "in PA 177:77", "deliver 0+0"},
                         {1510ms, "timer", "A 77:417"},
                         {3510ms, "timer", "A 76:417"},
                     });
}

BOOST_AUTO_TEST_CASE(early_data_is_held_within_its_bounds) {
  stream_script s{script_setup{}};
  s.run({{0ms, "open", "S 0:0"},
         {0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
         {1ms, "in A 77:77(60000)/1000", "hold"},
         {1ms, "in A 60077:77(6000)/1000", "drop hold_full x6"},
         {1ms, "in A 66077:77(5536)", "hold"},
         {1ms, "in A 71613:77(1)", "drop hold_full"}});

  stream_script many{script_setup{}};
  many.run({{0ms, "open", "S 0:0"}, {0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"}});
  for (int i = 0; i < 64; ++i)
    many.run({{1ms, "in A 77:77(10)", "hold"}});
  many.run({{1ms, "in A 77:77(10)", "drop hold_full"}});
}

BOOST_AUTO_TEST_CASE(handshake_packet_of_the_peer_is_no_datagram) {
  run_everywhere({}, {
                         {0ms, "open", "S 0:0"},
                         {0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
                         {10ms, "in PA 1:77(500)", "strange | hold"},
                         {11ms, "hello PA 501:77(76)", "greeted | replay"},
                         {11ms, "in PA 1:77(500)", ""},
                         {12ms, "in A 577:77(20)", "deliver 0+20"},
                         {1010ms, "timer", "A 77:597"},
                         {3012ms, "timer", "A 76:597"},
                     });
}

BOOST_AUTO_TEST_CASE(control_merged_with_data_is_cut_off) {
  const auto before = {row{0ms, "open", "S 0:0"},
                       row{0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"}};
  const row table[] = {
      {10ms, "hello PA 1:77(96)/76", "greeted | deliver 76+20"},
      {10ms, "hello PA 1:77(176)/100@100", "greeted"},
      // Behind a packet of 500, and data behind it: together, as no kernel would put them.
      {10ms, "hello PA 1:77(624)@500", "drop path_ends_tcp | RA 77:625 | ended path_ends_tcp"},
      {10ms, "hello PA 1:77(196)", "drop path_ends_tcp | RA 77:197 | ended path_ends_tcp"},
      {10ms, "hello PA 1:77(196)/88", "drop path_ends_tcp | RA 77:197 | ended path_ends_tcp"},
      {10ms, "hello PA 1:77(76)", "greeted"},
  };
  for (const auto& r : table) {
    stream_script s{script_setup{}};
    s.run(before);
    s.run({r});
  }
  run_everywhere({}, {{0ms, "open", "S 0:0"},
                      {0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
                      {1ms, "hello PA 1:77(76)", "greeted"},
                      {2ms, "in A 1:77(176)/76", "deliver 76+100"},
                      {2ms, "in A 25:77(152)/128", "deliver 52+76 | deliver 128+24"}});
}

BOOST_AUTO_TEST_CASE(another_syn_ack_gets_an_ack_of_the_first) {
  run_everywhere({}, {
                         {0ms, "open", "S 0:0"},
                         {50ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
                         {51ms, "in SA 0:1", "A 77:1"},
                         {52ms, "in SA 777805:1", "A 77:1"},
                         {90ms, "hello PA 1:77(76)", "greeted"},
                         {91ms, "in SA 0:1", "A 77:77"},
                     });
}

BOOST_AUTO_TEST_CASE(syn_sent_takes_only_what_answers_its_syn) {
  run_everywhere({}, {
                         {0ms, "open", "S 0:0"},
                         {1ms, "in R 0:0", "drop out_of_window"},
                         {1ms, "in RA 0:2", "drop out_of_window"},
                         {1ms, "in A 0:1", "drop bad_flags"},
                         {1ms, "in S 0:0", "drop bad_flags"},
                         {1ms, "in SF 0:0", "drop bad_flags"},
                         {1ms, "in SRA 0:1", "drop bad_flags"},
                         {1ms, "in F 0:1", "drop bad_flags"},
                         // A challenge ACK of an older connection: reset it, and try again.
                         {2ms, "in A 9028:7028", "drop out_of_window | R 7028:0 | S 0:0"},
                         {3ms, "in A 9028:7028", "drop out_of_window"},
                         {202ms, "in SA 0:7028", "drop out_of_window | R 7028:0 | S 0:0"},
                         {300ms, "in RA 0:1", "ended refused | forgotten"},
                         {300ms, "in SA 0:1", "drop no_stream"},
                     });
}

BOOST_AUTO_TEST_CASE(mtu_is_the_least_that_either_end_names) {
  struct {
    std::uint16_t mtu, peer_mss, peer_mtu;
    bool v6;
    std::uint32_t after_syn, after_hello;
  } const table[] = {
      {1500, 1460, 1500, false, 1460, 1460}, {1500, 1400, 1500, false, 1400, 1400},
      {1500, 1460, 1420, false, 1460, 1380}, {1280, 1460, 1500, false, 1240, 1240},
      {1500, 0, 1500, false, 536, 536},      {1500, 1, 1, false, 536, 536},
      {1500, 0, 1500, true, 1220, 1220},     {1500, 1440, 1300, true, 1440, 1240},
      {9000, 8960, 9000, false, 8960, 8960}, {500, 1460, 1500, false, 460, 460},
  };
  for (const auto& t : table) {
    script_setup setup;
    setup.mtu = t.mtu;
    setup.peer_mss = t.peer_mss;
    setup.peer_mtu = t.peer_mtu;
    setup.v6 = t.v6;
    stream_script s{setup};
    s.step("open");
    s.step("in SA 0:1");
    BOOST_TEST(s.under_test().max_datagram() == t.after_syn);
    s.step("hello PA 1:77(76)");
    BOOST_TEST(s.under_test().max_datagram() == t.after_hello);
  }
}

BOOST_AUTO_TEST_CASE(server_answers_hello_and_its_repeats_with_its_own) {
  script_setup setup;
  setup.client = false;
  run_everywhere(setup, {
                            {0ms, "hello PA 1:1(76)", "PA 1:77(76)"},
                            {10ms, "in A 77:1(100)", "deliver 0+100"},
                            {199ms, "hello PA 1:1(76)", ""},
                            {200ms, "hello PA 1:1(76)", "PA 1:177(76)"},
                            {230ms, "send 10", "A 77:177(10)"},
                            {399ms, "hello PA 1:1(76)", ""},
                            {400ms, "hello PA 1:1(76)", "PA 1:177(76)"},
                            {450ms, "in A 177:87(1)", "deliver 0+1"},
                            {1450ms, "timer", "A 87:178"},
                        });
}

BOOST_AUTO_TEST_CASE(servers_hello_repeats_session_and_interval) {
  script_setup setup;
  setup.client = false;
  setup.keepalive = 17s;
  setup.peer_mtu = 1'300;
  stream_script s{setup};
  s.run({{0ms, "hello PA 1:1(76)", "PA 1:77(76)"}});
  const auto hello = parse_hello(s.last_payload());
  BOOST_REQUIRE(hello.has_value());
  BOOST_TEST(hello->control_length == 76u);
  BOOST_TEST((hello->session == s.config().session.id));
  BOOST_TEST((hello->keepalive == 17s));
  BOOST_TEST(hello->mtu == 1'500);
  BOOST_TEST(s.under_test().max_datagram() == 1'260u);
  BOOST_TEST(s.under_test().is_open());
}

/// A client that has sent its hello, and what comes in place of the server's.
struct greeted_by {
  stream_script s{script_setup{}};
  hello_repr hello;
  std::uint16_t window = 65'535;

  greeted_by() {
    s.run({{0ms, "open", "S 0:0"}, {0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"}});
    hello.control_length = hello_size;
    hello.mtu = 1'500;
    hello.session = s.config().session.id;
    hello.counter = s.config().session.counter;
    hello.client_iss = {1'000};
    hello.server_iss = {5'000};
  }
  std::string answer(const session_secret& secret) {
    const auto payload = encode_hello(hello, secret);
    return give({payload.begin(), payload.end()});
  }
  std::string give(const std::vector<std::uint8_t>& payload) {
    segment_repr in;
    in.tuple = s.config().tuple;
    in.seq = {5'001};
    in.ack = {1'077};
    in.flags = flag::ack | flag::psh;
    in.window = window;
    in.payload_length = in.datagram_size = static_cast<std::uint32_t>(payload.size());
    return s.describe(s.under_test().on_segment(in, payload, s.now()));
  }
};

BOOST_AUTO_TEST_CASE(a_hello_that_is_not_of_this_stream_ends_it) {
  using change = void (*)(hello_repr&);
  const change table[] = {
      [](hello_repr& h) { h.session.fill(0x11); },
      [](hello_repr& h) { ++h.counter; },
      [](hello_repr& h) { h.stream_index = 1, h.stream_count = 2; },
      [](hello_repr& h) { h.introduces = true; },
  };
  BOOST_TEST(greeted_by{}.answer(stream_script{{}}.config().session.secret) == "greeted");
  for (const auto& spoil : table) {
    greeted_by t;
    spoil(t.hello);
    BOOST_TEST(t.answer(t.s.config().session.secret) == "drop bad_hello | RA 77:77 | ended reset");
  }
  BOOST_TEST(greeted_by{}.answer({1}) == "drop bad_hello | RA 77:77 | ended reset");
}

BOOST_AUTO_TEST_CASE(a_proxy_on_the_way_ends_the_stream_and_nothing_is_delivered) {
  const auto secret = stream_script{{}}.config().session.secret;
  const auto* const ended = "drop path_ends_tcp | RA 77:77 | ended path_ends_tcp";
  greeted_by proxied;
  proxied.hello.client_iss = proxied.hello.server_iss = {77'777};
  proxied.window = 502;
  BOOST_TEST(proxied.answer(secret) == ended);
  greeted_by told; // the server has seen it
  told.hello.tcp_ends = true;
  BOOST_TEST(told.answer(secret) == ended);
  BOOST_TEST(told.s.step("in A 77:77(100)") == "RA 77:77"); // of what follows nothing counts
  // Sequence numbers that a firewall has changed, and a shaper's window.
  greeted_by changed;
  changed.hello.client_iss = changed.hello.server_iss = {77'777};
  BOOST_TEST(changed.answer(secret) == "greeted");
  greeted_by shaped;
  shaped.window = 502;
  BOOST_TEST(shaped.answer(secret) == "greeted");
}

BOOST_AUTO_TEST_CASE(a_syn_proxy_gets_hello_and_data_when_it_opens_its_window) {
  script_setup setup;
  setup.peer_window = 0;
  run_everywhere(setup, {{0ms, "open", "S 0:0"},
                         {50ms, "in SA 0:1", "A 1:1"},
                         {60ms, "send 100", "full"},
                         {90ms, "in A 1:1", "PA 1:1(76) | opened"},
                         {91ms, "send 100", "A 77:1(100)"},
                         {140ms, "hello PA 1:77(76)", "greeted"}});
  // What opened it was lost; the hello is as good as another third ACK.
  run_everywhere(setup, {{0ms, "open", "S 0:0"},
                         {50ms, "in SA 0:1", "A 1:1"},
                         {1050ms, "timer", "PA 1:1(76)"},
                         {1100ms, "hello PA 1:77(76)", "opened | greeted"}});
}

BOOST_AUTO_TEST_CASE(what_only_begins_like_a_hello_is_refused_at_once_where_the_hello_has_to_be) {
  greeted_by t;
  const auto whole = encode_hello(t.hello, {});
  std::vector<std::uint8_t> payload{whole.begin(), whole.end()};
  payload[8] = 9; // of a version to come
  BOOST_TEST(t.give(payload) == "strange | drop bad_hello | RA 77:77 | ended reset");
  greeted_by other;
  payload.resize(20);
  BOOST_TEST(other.give(payload) == "strange | drop bad_hello | RA 77:21 | ended reset");
  // Further on it may be a datagram.
  greeted_by early;
  segment_repr in;
  in.tuple = early.s.config().tuple;
  in.seq = {5'077};
  in.ack = {1'077};
  in.flags = flag::ack;
  in.payload_length = in.datagram_size = 20;
  const auto did = early.s.under_test().on_segment(in, payload, early.s.now());
  BOOST_TEST(early.s.describe(did) == "hold");
}

BOOST_AUTO_TEST_CASE(repeated_hellos_draw_one_flight_in_200_ms) {
  script_setup setup;
  setup.client = false;
  setup.handshake_packet = 1'200;
  stream_script s{setup};
  std::size_t flights = 0;
  for (int i = 0; i < 1'000; ++i)
    flights += s.step("hello PA 1:1(76)") != "" ? 1 : 0;
  BOOST_TEST(flights == 1u);
}

BOOST_AUTO_TEST_CASE(icmp_that_quotes_the_syn_is_told_and_ends_nothing) {
  run_everywhere({}, {
                         {0ms, "open", "S 0:0"},
                         {10ms, "lost 1", "drop icmp_ignored"}, // a guess
                         {20ms, "lost 0", "undelivered"},
                         {30ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
                         {40ms, "lost 0", "drop icmp_ignored"}, // it has arrived
                         {40ms, "lost 1", "undelivered"},       // the hello is under way
                         {40ms, "lost 76", "undelivered"},
                         {40ms, "lost 77", "drop icmp_ignored"},
                     });
  script_setup older;
  older.wire = profile::tonel;
  older.iss = 7;
  stream_script s{older};
  s.run({{0ms, "open", "S 0:0"}, {20ms, "lost 0", "undelivered"}});
}

BOOST_AUTO_TEST_CASE(what_comes_first_and_is_no_hello_is_told_once) {
  stream_script s{script_setup{}};
  s.run({{0ms, "open", "S 0:0"},
         {0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
         {10ms, "in A 1:77(5)", "strange | hold"},
         {11ms, "in A 1:77(5)", "hold"},
         {12ms, "in A 6:77(500)", "hold"}});
  stream_script server{[] {
    script_setup out;
    out.client = false;
    return out;
  }()};
  server.run({{0ms, "hello PA 1:1(76)", "PA 1:77(76)"}, {1ms, "in A 1:77(5)", ""}});
}

BOOST_AUTO_TEST_SUITE_END()
