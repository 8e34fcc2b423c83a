#include "protocol/stream.hpp"
#include "tests/unit/protocol/stream_script.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::protocol;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

script_setup client_with(std::chrono::seconds keepalive) {
  script_setup s;
  s.keepalive = keepalive;
  return s;
}

script_setup server_with(std::chrono::seconds keepalive) {
  auto s = client_with(keepalive);
  s.client = false;
  return s;
}

/// The rows of a handshake that is over at 0 ms, then those given.
void run_open_client(const script_setup& setup, std::initializer_list<row> rows) {
  run_everywhere(setup,
                 {{0ms, "open", "S 0:0"},
                  {0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
                  {0ms, "hello PA 1:77(76)", "greeted"},
                  {1s, "timer", "A 77:77"}},
                 rows);
}

void run_open_server(const script_setup& setup, std::initializer_list<row> rows) {
  run_open_server(setup, 1s, rows);
}

} // namespace

BOOST_AUTO_TEST_SUITE(stream_liveness_test)

BOOST_AUTO_TEST_CASE(data_is_acknowledged_after_a_second_unless_data_went_out) {
  run_open_server(server_with(0s), {
                                       {2000ms, "in A 77:77(100)", "deliver 0+100"},
                                       {2500ms, "in A 177:77(100)", "deliver 0+100"},
                                       {3000ms, "timer", "A 77:277"},
                                       {4000ms, "in A 277:77(100)", "deliver 0+100"},
                                       {4100ms, "send 10 !", "PA 77:377(10)"},
                                       {4200ms, "in A 377:87", ""},
                                       {9000ms, "in PA 377:87", "deliver 0+0"},
                                       {10000ms, "timer", "A 87:377"},
                                   });
}

BOOST_AUTO_TEST_CASE(data_is_acknowledged_after_4_mib) {
  stream_script s{server_with(0s)};
  s.run({{0ms, "hello PA 1:1(76)", "PA 1:77(76)"}, {0ms, "in A 77:77", ""}});
  std::uint64_t end = 77, acked = 77;
  int acks = 0;
  for (int i = 0; i < 10'000; ++i) { // 6 GB, more than the numbers can count
    // A segment in ten arrives.
    end += 540'000;
    const auto event =
        "in A " + std::to_string(static_cast<std::uint32_t>(end)) + ":77(60000)/1000";
    end += 60'000;
    const auto did = s.step(event.c_str());
    if (end - acked >= 4u << 20) {
      acked = end;
      ++acks;
      BOOST_REQUIRE(did.find("A 77:") == 0);
      BOOST_REQUIRE((s.last_header().ack == seq_num{5'000 + static_cast<std::uint32_t>(end)}));
    } else {
      BOOST_REQUIRE(did == "deliver 0+60000");
    }
  }
  BOOST_TEST(acks == 1'428);
}

BOOST_AUTO_TEST_CASE(keepalive_after_k_and_its_answer) {
  run_open_client(client_with(20s), {
                                        {20000ms, "timer", "A 76:77"},
                                        {20050ms, "in A 77:77", ""},
                                        {40050ms, "timer", "A 76:77"},
                                        {40060ms, "in A 77:77", ""},
                                        // Data that nobody received does not spoil it.
                                        {41000ms, "send 500", "A 77:77(500)"},
                                        {43000ms, "timer", "A 76:77"},
                                        {43010ms, "in A 77:77", ""},
                                        {63010ms, "timer", "A 76:77"},
                                    });
}

BOOST_AUTO_TEST_CASE(a_download_is_checked_three_seconds_after_its_last_datagram) {
  run_open_client(client_with(20s), {
                                        {2000ms, "in A 77:77(10)", "deliver 0+10"},
                                        {2500ms, "in A 87:77(10)", "deliver 0+10"},
                                        {3000ms, "timer", "A 77:97"},
                                        {5500ms, "timer", "A 76:97"},
                                        {5600ms, "in A 97:77", ""},
                                        {25600ms, "timer", "A 76:97"},
                                        // Its answer is missing as well.
                                        {27600ms, "timer", "A 76:97"},
                                    });
}

BOOST_AUTO_TEST_CASE(without_keepalive_an_idle_stream_wakes_nobody) {
  for (const bool client : {true, false}) {
    auto setup = client_with(0s);
    setup.client = client;
    stream_script s{setup};
    if (client) {
      s.run({{0ms, "open", "S 0:0"},
             {0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
             {0ms, "hello PA 1:77(76)", "greeted"},
             {1000ms, "timer", "A 77:77"}});
    } else {
      s.run({{0ms, "hello PA 1:1(76)", "PA 1:77(76)"}, {1000ms, "in A 77:77", ""}});
    }
    BOOST_TEST(!s.under_test().deadline().has_value());
  }
}

BOOST_AUTO_TEST_CASE(only_what_lies_below_is_answered_when_empty) {
  run_open_server(server_with(0s), {
                                       {2s, "in A 76:77", "A 77:77"},
                                       {2s, "in A 47:77", "A 77:77"},
                                       {2s, "in A 0:77", "A 77:77"},
                                       {2s, "in A 77:77", ""},
                                       {2s, "in A 128:77", ""},
                                       {2s, "in PA 77:77", "deliver 0+0"},
                                       {3s, "timer", "A 77:77"},
                                   });
}

BOOST_AUTO_TEST_CASE(client_probes_then_tells_then_dies) {
  run_open_client(client_with(20s),
                  {
                      {2000ms, "send 100", "A 77:77(100)"},
                      {3900ms, "send 100", "A 177:77(100)"},
                      // Eight times within the time for an answer: of three packets
                      // one may be lost.
                      {4000ms, "timer", "A 76:77"},
                      {4050ms, "timer", "A 76:77"},
                      {4100ms, "timer", "A 76:77"},
                      {4150ms, "timer", "A 76:77"},
                      {4200ms, "timer", "A 76:77"},
                      {4250ms, "timer", "A 76:77"},
                      {4300ms, "timer", "A 76:77"},
                      {4350ms, "timer", "A 76:77"},
                      {4500ms, "timer", "silent | A 76:77"},
                      {4750ms, "timer", "A 76:77"},
                      {5000ms, "timer", "A 76:77"},
                      {5250ms, "timer", "A 76:77"},
                      {5500ms, "timer", "A 76:77"},
                      {5750ms, "timer", "A 76:77"},
                      {6000ms, "timer", "A 76:77"},
                      {6250ms, "timer", "A 76:77"},
                      {6500ms, "timer", "A 76:77"},
                      {6750ms, "timer", "A 76:77"},
                      {7000ms, "timer", "A 76:77"},
                      {7250ms, "timer", "A 76:77"},
                      {7500ms, "timer", "RA 277:77 | ended dead"},
                      {17500ms, "timer", "forgotten"},
                  });
  run_open_client(client_with(20s), {
                                        {2000ms, "send 100", "A 77:77(100)"},
                                        {4000ms, "timer", "A 76:77"},
                                        {4050ms, "timer", "A 76:77"},
                                        {4100ms, "timer", "A 76:77"},
                                        {4150ms, "timer", "A 76:77"},
                                        {4200ms, "timer", "A 76:77"},
                                        {4250ms, "timer", "A 76:77"},
                                        {4300ms, "timer", "A 76:77"},
                                        {4350ms, "timer", "A 76:77"},
                                        {4500ms, "timer", "silent | A 76:77"},
                                        {4750ms, "timer", "A 76:77"},
                                        {5000ms, "in A 77:177", "recovered"},
                                        {6000ms, "send 100", "A 177:77(100)"},
                                        {8000ms, "timer", "A 176:77"},
                                        {8040ms, "in A 77:177 =", ""},
                                        {28040ms, "timer", "A 176:77"},
                                    });
}

BOOST_AUTO_TEST_CASE(bare_acks_start_no_probes) {
  run_open_client(client_with(0s), {
                                       {2000ms, "in A 76:77", "A 77:77"},
                                       {9000ms, "in A 76:77", "A 77:77"},
                                       {60000ms, "in A 76:77", "A 77:77"},
                                   });
}

BOOST_AUTO_TEST_CASE(server_probes_and_goes_on_sending_until_three_and_a_half_k) {
  run_open_server(server_with(20s), {
                                        {2000ms, "send 100", "A 77:77(100)"},
                                        {4000ms, "timer", "A 76:77"},
                                        {5000ms, "timer", "A 76:77"},
                                        {6000ms, "timer", "A 76:77"},
                                        {7000ms, "timer", ""},
                                        {9000ms, "send 100", "A 177:77(100)"},
                                        {60000ms, "send 100", "A 277:77(100)"},
                                        {71000ms, "timer", "ended dead | forgotten"},
                                    });
  run_open_server(server_with(20s), {
                                        {2000ms, "in A 76:77", "A 77:77"},
                                        {72000ms, "timer", "ended dead | forgotten"},
                                    });
}

BOOST_AUTO_TEST_CASE(server_with_k_off_never_dies_of_silence) {
  run_open_server(server_with(0s), {
                                       {2s, "send 100", "A 77:77(100)"},
                                       {4s, "timer", "A 76:77"},
                                       {5s, "timer", "A 76:77"},
                                       {6s, "timer", "A 76:77"},
                                       {7s, "timer", ""},
                                       {9000s, "send 100", "A 177:77(100)"},
                                       {9001s, "in A 77:277", ""},
                                       {9002s, "send 1", "A 277:77(1)"},
                                       {9004s, "timer", "A 276:77"},
                                   });
}

BOOST_AUTO_TEST_CASE(resume_probes_at_once) {
  run_open_client(client_with(20s), {
                                        {7200s, "resume", "A 76:77"},
                                        {7200050ms, "timer", "A 76:77"},
                                        {7200100ms, "timer", "A 76:77"},
                                        {7200150ms, "timer", "A 76:77"},
                                        {7200200ms, "timer", "A 76:77"},
                                        {7200250ms, "timer", "A 76:77"},
                                        {7200300ms, "timer", "A 76:77"},
                                        {7200350ms, "timer", "A 76:77"},
                                        {7200500ms, "timer", "silent | A 76:77"},
                                        {7200750ms, "timer", "A 76:77"},
                                        {7201000ms, "timer", "A 76:77"},
                                        {7201250ms, "timer", "A 76:77"},
                                        {7201500ms, "timer", "A 76:77"},
                                        {7201750ms, "timer", "A 76:77"},
                                        {7202000ms, "timer", "A 76:77"},
                                        {7202250ms, "timer", "A 76:77"},
                                        {7202500ms, "timer", "A 76:77"},
                                        {7202750ms, "timer", "A 76:77"},
                                        {7203000ms, "timer", "A 76:77"},
                                        {7203250ms, "timer", "A 76:77"},
                                        {7203500ms, "timer", "RA 77:77 | ended dead"},
                                    });
  run_open_client(client_with(20s), {
                                        {7200s, "resume", "A 76:77"},
                                        {7200040ms, "in A 77:77", ""},
                                        {7220040ms, "timer", "A 76:77"},
                                    });
  run_everywhere({}, {{0ms, "open", "S 0:0"},
                      {7200s, "resume", "S 0:0"},
                      {7201s, "timer", "S 0:0"},
                      {7201100ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
                      {7201350ms, "timer", "PA 1:1(76)"},
                      {7202100ms, "timer", "PA 1:1(76)"},
                      {9000s, "resume", "PA 1:1(76)"},
                      {9000250ms, "timer", "PA 1:1(76)"}});
  run_open_server(server_with(20s),
                  {{7200s, "resume", ""}, {7270s, "timer", "ended dead | forgotten"}});
}

BOOST_AUTO_TEST_CASE(idleness_is_said_once_and_ends_with_a_datagram) {
  auto setup = server_with(0s);
  setup.idle_timeout = 180s;
  stream_script s{setup};
  s.run({{0s, "hello PA 1:1(76)", "PA 1:77(76)"},
         {1s, "in A 77:77", ""},
         {180s, "timer", "idle"},
         {200s, "in A 76:77", "A 77:77"},
         {300s, "in A 77:77(10)", "deliver 0+10 | active"},
         {301s, "timer", "A 77:87"},
         {480s, "timer", "idle"},
         {500s, "send 10", "A 77:87(10)"},
         {500s, "in A 87:87", ""},
         // What a call that gives no effects has found out is due at once.
         {500s, "timer", "active"},
         {680s, "timer", "idle"}});
  BOOST_TEST(!s.under_test().deadline().has_value());
}

BOOST_AUTO_TEST_CASE(a_late_timer_moves_every_deadline_on) {
  auto setup = client_with(20s);
  setup.idle_timeout = 180s;
  for (const auto late : {0ms, 1ms, 5000ms, 100000ms, 10000000ms}) {
    stream_script s{setup};
    s.run({{0ms, "open", "S 0:0"},
           {0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
           {0ms, "hello PA 1:77(76)", "greeted"},
           {0ms, "in A 77:77(10)", "deliver 0+10"},
           {0ms, "send 10", "A 77:87(10)"},
           {0ms, "big 77 600", "mtu 560"}});
    for (int i = 0; i < 1'000 && s.under_test().deadline(); ++i) {
      const auto now = *s.under_test().deadline() + late;
      s.under_test().on_timer(now);
      BOOST_REQUIRE((!s.under_test().deadline() || *s.under_test().deadline() > now));
    }
    BOOST_TEST(!s.under_test().deadline().has_value());
  }
}

BOOST_AUTO_TEST_CASE(icmp_too_big_is_believed_when_it_quotes_what_is_under_way) {
  run_open_client(client_with(0s), {
                                       {2s, "send 1400", "A 77:77(1400)"},
                                       {2s, "send 1400", "A 1477:77(1400)"},
                                       {2s, "big 1477 1400", "mtu 1360"},
                                       {2s, "big 1477 1400", "drop icmp_ignored"},
                                       {2s, "big 1477 1480", "drop icmp_ignored"},
                                       {2s, "big 2878 1200", "drop icmp_ignored"},
                                       {2s, "big -1073740000 1200", "drop icmp_ignored"},
                                       {3s, "big 77 1300", "mtu 1260"},
                                       // What was received was not too big.
                                       {3s, "in A 77:1477", ""},
                                       {3s, "big 1448 1200", "drop icmp_ignored"},
                                       {3s, "in A 77:2877", ""},
                                       {3s, "big 2848 1200", "drop icmp_ignored"},
                                       {603s, "timer", "mtu 1460"},
                                   });
  for (const char* icmp : {"big 77 0", "big 77 575"})
    run_open_client(client_with(0s), {{2s, "send 1400", "A 77:77(1400)"}, {2s, icmp, "mtu 536"}});
  auto v6 = client_with(0s);
  v6.v6 = true;
  v6.peer_mss = 1440;
  run_open_client(v6, {{2s, "send 1400", "A 77:77(1400)"}, {2s, "big 77 600", "mtu 1220"}});
}

BOOST_AUTO_TEST_CASE(icmp_has_to_quote_a_recent_ack_or_else_the_id_of_a_packet_under_way) {
  stream_script s{client_with(0s)};
  s.run({{0ms, "open", "S 0:0"},
         {0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
         {0ms, "hello PA 1:77(76)", "greeted"},
         {1s, "timer", "A 77:77"},
         {2s, "send 1400", "A 77:77(1400)"}});
  packet_too_big icmp;
  icmp.quoted = s.config().tuple;
  icmp.seq = {1'077};
  icmp.mtu = 1'300;
  const auto believed = [&](auto ack, std::uint16_t id) {
    auto copy = s.under_test();
    icmp.ack = ack;
    icmp.ip_id = id;
    return copy.on_too_big(icmp, s.now()).template find<mtu_changed>() != nullptr;
  };
  const seq_num next{5'077};
  const auto id = s.last_header().ip_id;
  BOOST_TEST(believed(std::optional{next}, 0));
  BOOST_TEST(believed(std::optional{next - 1'000}, 0));
  BOOST_TEST(!believed(std::optional{next + 1}, 0));
  BOOST_TEST(!believed(std::optional{next - (5u << 20)}, 0));
  BOOST_TEST(believed(std::optional<seq_num>{}, id));
  BOOST_TEST(!believed(std::optional<seq_num>{}, id + 1));
  // IPv4 alone has one; routers quote more of IPv6.
  auto v6 = client_with(0s);
  v6.v6 = true;
  stream_script other{v6};
  other.run({{0ms, "open", "S 0:0"},
             {0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
             {0ms, "hello PA 1:77(76)", "greeted"},
             {1s, "timer", "A 77:77"},
             {2s, "send 1400", "A 77:77(1400)"}});
  icmp.quoted = other.config().tuple;
  icmp.ack.reset();
  icmp.ip_id = other.last_header().ip_id;
  BOOST_TEST(other.describe(other.under_test().on_too_big(icmp, other.now())) ==
             "drop icmp_ignored");
}

BOOST_AUTO_TEST_CASE(icmp_about_another_stream_is_ignored) {
  stream_script s{client_with(0s)};
  s.run({{0ms, "open", "S 0:0"}, {0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"}});
  packet_too_big icmp;
  icmp.quoted = s.config().tuple;
  icmp.quoted.local.port = 1;
  icmp.seq = {1'001};
  icmp.mtu = 1'000;
  BOOST_TEST(s.describe(s.under_test().on_too_big(icmp, s.now())) == "drop icmp_ignored");
}

BOOST_AUTO_TEST_SUITE_END()
