#include "protocol/acceptor.hpp"
#include "protocol/stream.hpp"
#include "tests/unit/protocol/stream_script.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::protocol;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

/// An open server's stream at 0 ms, then the rows given, wherever the numbers start.
void run_open(std::initializer_list<row> rows) { run_open_server({}, 0ms, rows); }

} // namespace

BOOST_AUTO_TEST_SUITE(stream_close_test)

BOOST_AUTO_TEST_CASE(fin_is_answered_by_fin) {
  run_open({{1s, "close", "FA 77:77"},
            {1050ms, "in FA 77:78", "A 78:78 | ended closed_by_us"},
            {1100ms, "in FA 77:78", "A 78:78"},
            {1200ms, "in RA 78:78", ""},
            {11050ms, "timer", "forgotten"}});
  run_open({{1s, "in FA 77:77", "FA 77:78 | ended closed_by_peer"},
            {1050ms, "in A 78:78", "forgotten"},
            {1060ms, "in A 78:78", "drop no_stream"}});
}

BOOST_AUTO_TEST_CASE(fin_is_repeated_and_then_forgotten) {
  run_open({{1s, "close", "FA 77:77"},
            {2s, "timer", "FA 77:77"},
            {3s, "timer", "FA 77:77"},
            {5s, "timer", "FA 77:77"},
            {9s, "timer", "ended closed_by_us | forgotten"}});
  run_open({{1s, "in FA 77:77", "FA 77:78 | ended closed_by_peer"},
            {1500ms, "in FA 77:77", "FA 77:78"},
            {2s, "timer", "FA 77:78"},
            {3s, "timer", "FA 77:78"},
            {5s, "timer", "FA 77:78"},
            {9s, "timer", "forgotten"}});
}

BOOST_AUTO_TEST_CASE(a_hello_that_comes_after_the_close_leaves_the_fin_to_be_repeated) {
  run_everywhere({}, {{0ms, "open", "S 0:0"},
                      {10ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
                      {20ms, "close", "FA 77:1"},
                      {30ms, "hello PA 1:77(76)", "greeted"},
                      {1020ms, "timer", "FA 77:77"},
                      {2020ms, "timer", "FA 77:77"},
                      {4020ms, "timer", "FA 77:77"},
                      {8020ms, "timer", "ended closed_by_us | forgotten"}});
}

BOOST_AUTO_TEST_CASE(fin_at_exit_waits_for_a_second_and_a_half) {
  run_open({{1s, "exit", "FA 77:77"},
            {1500ms, "timer", "FA 77:77"},
            {2500ms, "timer", "ended closed_by_us | forgotten"}});
  run_open({{1s, "exit", "FA 77:77"},
            {1050ms, "in FA 77:78", "A 78:78 | ended closed_by_us | forgotten"}});
}

BOOST_AUTO_TEST_CASE(both_ends_may_close_at_once) {
  run_open({{1s, "close", "FA 77:77"},
            {1050ms, "in FA 77:77", "A 78:78 | ended closed_by_us"},
            {11050ms, "timer", "forgotten"}});
}

BOOST_AUTO_TEST_CASE(datagrams_under_way_at_close_still_arrive) {
  run_open({{1s, "close", "FA 77:77"},
            {1010ms, "in A 77:77(100)", "deliver 0+100"},
            {1010ms, "send 10", "full"},
            {2s, "timer", "FA 77:177"},
            {2050ms, "in FA 177:78", "A 78:178 | ended closed_by_us"},
            {12050ms, "timer", "forgotten"}});
  run_open({{1s, "in PFA 77:77(30)", "deliver 0+30 | FA 77:108 | ended closed_by_peer"},
            {1050ms, "in A 108:78", "forgotten"}});
}

BOOST_AUTO_TEST_CASE(fin_counts_at_exactly_the_next_octet_or_once_the_peer_has_said_how_far_it_is) {
  // It may overtake datagrams, which then are read.
  run_open({{1s, "in FA 177:77", "A 76:77"},
            {1001ms, "in A 77:77(100)", "deliver 0+100"},
            {1010ms, "in A 178:77 =", "FA 77:178 | ended closed_by_peer"},
            {1050ms, "in A 178:78", "forgotten"}});
  run_open({{1s, "in FA 177:77", "A 76:77"},
            // Not the answer that was asked for.
            {1010ms, "in A 178:77", ""},
            // Once more, when what it waited for is here.
            {1020ms, "in A 77:77(100)", "deliver 0+100"},
            {2s, "in FA 177:77", "FA 77:178 | ended closed_by_peer"},
            {2050ms, "in A 178:78", "forgotten"}});
  run_open({{1s, "in PFA 177:77(30)", "deliver 0+30 | A 76:207"},
            {1010ms, "in A 208:77 =", "FA 77:208 | ended closed_by_peer"},
            {1050ms, "in A 208:78", "forgotten"}});
  // Far ahead, and with a forger's next guess behind it.
  run_open({{1s, "in FA 100000028:77", "drop out_of_window | A 76:77"},
            {1010ms, "in FA 200000028:77", "drop out_of_window"},
            {1020ms, "in A 77:77 =", ""},
            {1030ms, "in A 77:77(100)", "deliver 0+100"},
            {2030ms, "timer", "A 77:177"}});
  run_open({{1s, "close", "FA 77:77"},
            {1050ms, "in FA 177:78", "A 77:77"},
            {1060ms, "in A 178:78 =", "A 78:178 | ended closed_by_us"},
            {11060ms, "timer", "forgotten"}});
}

BOOST_AUTO_TEST_CASE(closing_before_the_handshake_is_over_is_silent) {
  run_everywhere({}, {{0ms, "open", "S 0:0"}, {1ms, "close", "ended closed_by_us | forgotten"}});
  run_everywhere({}, {{0ms, "open", "S 0:0"}, {1ms, "reset", "ended closed_by_us | forgotten"}});
}

BOOST_AUTO_TEST_CASE(reset_counts_at_exactly_the_next_octet) {
  run_open({{1s, "in RA 77:77", "ended reset | forgotten"}});
  run_open({{1s, "in R 77:0", "ended reset | forgotten"}});
  run_open({{1s, "in RA 78:77", "drop out_of_window | A 77:77"},
            // One challenge per 5 s.
            {2s, "in RA 88:77", "drop out_of_window | drop rst_limited"},
            {2s, "in RA 76:77", "drop out_of_window"},
            {2s, "in RA 1073741901:77", "drop out_of_window"},
            {6s, "in RA 1073741900:77", "drop out_of_window | A 77:77"},
            {6s, "in RA 77:77", "ended reset | forgotten"}});
  run_open({{1s, "close", "FA 77:77"}, {2s, "in RA 77:78", "ended closed_by_us | forgotten"}});
}

BOOST_AUTO_TEST_CASE(syn_for_a_live_stream_is_challenged) {
  run_open({{1s, "in S 7028:0", "A 77:77"},
            {2s, "in S 7028:0", "drop rst_limited"},
            {3s, "in SA 7028:1", "drop rst_limited"},
            {6s, "in S 7028:0", "A 77:77"}});
}

BOOST_AUTO_TEST_CASE(a_new_connection_is_answered_by_the_one_that_ends) {
  script_setup setup;
  setup.client = false;
  stream_script s{setup};
  const syn_cookie cookie{{1, 2, 3}};
  auto config = s.config();
  config.cookie = &cookie;
  hello_repr hello;
  hello.control_length = hello_size;
  for (const bool served : {true, false}) {
    config.cookie = served ? &cookie : nullptr;
    auto stream = stream::accept(config, hello, {5'000}, s.now());
    stream.reset(s.now());
    segment_repr syn;
    syn.tuple = config.tuple;
    syn.seq = {70'000};
    syn.flags = flag::syn;
    const auto effects = stream.on_segment(syn, {}, s.now() + 1s);
    BOOST_TEST((effects.find<forgotten>() != nullptr));
    const auto* answer = effects.find<send_segment>();
    BOOST_TEST_REQUIRE((answer != nullptr) == served);
    if (!served) continue;
    BOOST_TEST(int{answer->header.flags} == (flag::syn | flag::ack));
    // As the acceptor would: what comes next proves itself to that.
    const auto proof = answer->header.seq + 1;
    BOOST_TEST(cookie.proven(config.tuple, proof, s.now() + 2s).has_value());
    BOOST_TEST((answer->header.ack == seq_num{70'001}));
    BOOST_TEST(answer->header.mss != 0);
  }
}

BOOST_AUTO_TEST_CASE(a_shared_limit_allows_more_challenges) {
  script_setup setup;
  setup.client = false;
  stream_script s{setup};
  random_rate_limit shared{100, 1};
  auto config = s.config();
  config.challenge_limit = &shared;
  hello_repr hello;
  hello.control_length = hello_size;
  auto stream = stream::accept(config, hello, {5'000}, s.now());
  segment_repr syn;
  syn.tuple = config.tuple;
  syn.flags = flag::syn;
  const auto sent_at = [&](duration after) {
    int sent = 0;
    for (int i = 0; i < 10; ++i)
      sent += stream.on_segment(syn, {}, s.now() + after).find<send_segment>() != nullptr ? 1 : 0;
    return sent;
  };
  // A stream draws one per 500 ms, so that none can be told from what others have left.
  BOOST_TEST(sent_at(0ms) == 1);
  BOOST_TEST(sent_at(499ms) == 0);
  BOOST_TEST(sent_at(500ms) == 1);
  while (shared.take(s.now() + 600ms)) {
  }
  BOOST_TEST(sent_at(1000ms) == 0);
  BOOST_TEST(sent_at(5500ms) == 1);
}

BOOST_AUTO_TEST_CASE(own_reset_is_followed_by_ten_seconds_of_answers) {
  run_open({{1s, "send 100", "A 77:77(100)"},
            {2s, "reset", "RA 177:77 | ended closed_by_us"},
            // The challenge names what the peer has received: our data was lost.
            {2050ms, "in A 77:77", "RA 77:77"},
            {2060ms, "in A 77:77(10)", ""},
            {2200ms, "in A 87:177", "RA 177:77"},
            // Never below the highest ack: trackers call that invalid.
            {2400ms, "in A 87:128", "RA 177:77"},
            {2600ms, "in A 87:5028", "RA 177:77"},
            {2800ms, "in RA 87:177", ""},
            {2900ms, "reset", ""},
            {12000ms, "timer", "forgotten"}});
}

BOOST_AUTO_TEST_CASE(a_new_connection_does_not_wait_for_the_old_ones_memory) {
  run_open({{1s, "reset", "RA 77:77 | ended closed_by_us"}, {2s, "in S 9:0", "forgotten"}});
  run_open({{1s, "in FA 77:77", "FA 77:78 | ended closed_by_peer"}, {2s, "in S 9:0", "forgotten"}});
}

BOOST_AUTO_TEST_CASE(superseded_stream_reads_on_for_three_seconds) {
  run_open({{1s, "supersede", ""},
            {1s, "send 10", "full"},
            {2s, "in A 77:77(10)", "deliver 0+10"},
            {3s, "timer", "A 77:87"},
            {4s, "timer", "RA 77:87 | ended superseded"},
            {4050ms, "in A 87:77", "RA 77:87"},
            {14s, "timer", "forgotten"}});
}

BOOST_AUTO_TEST_CASE(flags_that_contradict_each_other_are_dropped) {
  for (const char* event :
       {"in SFA 77:77", "in SRA 77:77", "in FRA 77:77", "in P 77:0(10)", "in F 77:0"}) {
    run_open({{1s, event, "drop bad_flags"}});
  }
}

BOOST_AUTO_TEST_SUITE_END()
