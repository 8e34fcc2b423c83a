// What older programs were seen to do in the field, and ours with them: the faults that no handshake and
// no single packet shows.

#include "tests/sim/legacy_world.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using namespace tonel::protocol;
using namespace tonel::sim;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

const datagram client_packet = text("GET / HTTP/1.1\r\n\r\n"),
               server_packet = text("200 OK\r\n\r\n");

/// Nothing but what was said: no packet of another kind, and no empty one.
void check_own(const inbox& box, const std::string& word) {
  BOOST_TEST(box.empty == 0u);
  for (const auto& d : box.got)
    BOOST_TEST(d.substr(0, word.size()) == word);
}

} // namespace

BOOST_AUTO_TEST_SUITE(legacy_field_test)

BOOST_AUTO_TEST_CASE(
    handshake_packets_reach_no_application_where_data_overtakes_or_loss_takes_them) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      auto path = strict(0.02 + static_cast<double>(seed % 4) / 50);
      path.jitter = std::chrono::milliseconds{seed % 3 * 5};
      world w{seed, path};
      w.use_our_client(profile::tonel, 4, client_packet);
      w.use_old_server(false, server_packet);
      w.talk(800, 10ms);
      check_own(w.server_app, "up ");
      check_own(w.client_app, "down ");
      BOOST_TEST(w.client_app.got.size() >= 400u);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_join_whose_handshake_packet_is_lost_sends_it_again_and_loses_no_datagram) {
  world w;
  w.use_our_client(profile::tonel, 2, client_packet);
  w.use_old_server(false, server_packet);
  int packets = 0;
  w.net.set_filter([&](const packet& p) { // the join's first
    return p.from_client && p.payload.size() == client_packet.size() && ++packets == 2;
  });
  w.up("up");
  w.run_for(45ms); // the first connection stands
  for (int i = 0; i < 200; ++i) {
    w.up("up");
    w.down("down " + std::to_string(i));
    w.run_for(10ms);
  }
  w.run_for(1s);
  check_own(w.server_app, "up");
  check_own(w.client_app, "down ");
  BOOST_TEST(w.client_app.got.size() >= 190u);
  BOOST_TEST(w.client->open_streams() == 2u);
  BOOST_TEST(w.client->handshakes() == 2u);
  BOOST_TEST(packets == 3);
}

BOOST_AUTO_TEST_CASE(a_silent_application_goes_on_to_get_a_download_where_no_join_is_possible) {
  world w;
  w.use_our_client(profile::tonel);
  w.use_old_server(false);
  w.up("first");
  w.run_for(1s);
  const datagram big(60'000);
  const int count = 24'000; // 1.44 GB in 48 s
  for (int i = 0; i < count; ++i) {
    w.down(big);
    w.run_for(2ms);
  }
  w.run_for(1s);
  // What is on its way on a connection at its end arrives; the upstream knows one port all along.
  BOOST_TEST(w.client_app.octets / big.size() >= count - 50u,
             "arrived " << w.client_app.octets / big.size());
  BOOST_TEST(w.old_server->upstream_ports() == 1u);
  // The application speaks: acknowledged, the same connection serves on.
  w.up("second");
  w.down("still there");
  w.run_for(1s);
  BOOST_TEST(w.client_app.got.back() == "still there");
}

BOOST_AUTO_TEST_CASE(an_upload_that_outran_the_opener_goes_on_after_4_s) {
  for (const bool phantun : {false, true}) {
    for (const bool newer : {false, true}) {
      BOOST_TEST_CONTEXT("phantun " << phantun << ", newer trackers " << newer) {
        auto path = strict();
        path.newer_trackers = newer;
        world w{1, path};
        w.use_old_client(phantun);
        w.use_our_server();
        w.up("first");
        w.run_for(1s);
        const datagram data(1'000);
        for (int i = 0; i < 60'000; ++i) { // 3,000/s for 20 s
          w.up(data);
          w.run_for(333us);
        }
        w.run_for(1s);
        const auto arrived = w.server_app.octets / data.size();
        if (phantun || !newer) {
          BOOST_TEST(arrived >= 40'000u, arrived);
          BOOST_TEST(w.old_client->reconnects() == 0u);
        } else {
          // It shows what it is, and starts anew, with 64 KiB each time.
          BOOST_TEST(arrived >= 300u, arrived);
          BOOST_TEST(w.old_client->reconnects() >= 4u, w.old_client->reconnects());
        }
        // Where trackers hide tonel's probes, it is taken for phantun, which costs its application one.
        BOOST_TEST(w.client_app.empty == (phantun || newer ? 0u : 1u));
        BOOST_TEST(w.server_app.empty == 0u);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(an_answer_to_a_probe_never_crosses_a_datagram_of_ours) {
  auto path = strict();
  path.delay = 30ms;
  for (const bool ours_is_client : {true, false}) {
    world w{1, path};
    if (ours_is_client) {
      w.use_our_client(profile::tonel);
      w.use_old_server(false);
    } else {
      w.use_old_client(false);
      w.use_our_server();
    }
    w.up("up");
    w.run_for(1s);
    w.up("up");
    w.run_for(100ms);
    for (int i = 0; i < 40; ++i) {
      ours_is_client ? w.up("up") : w.down("down");
      if (i == 1) w.up("up"); // which acknowledges the first
      w.run_for(2'900ms + std::chrono::milliseconds{i * 250 / 40});
    }
    check_own(w.server_app, "up");
    check_own(w.client_app, "down");
    BOOST_TEST((ours_is_client ? w.server_app : w.client_app).got.size() >= 40u);
  }
}

BOOST_AUTO_TEST_CASE(the_first_burst_to_phantun_arrives_whole) {
  world w;
  w.use_our_client(profile::phantun);
  w.use_old_server(true);
  w.up("first");
  w.run_for(500ms);
  for (int i = 0; i < 150; ++i)
    w.up(datagram(1'400));
  w.run_for(1s);
  BOOST_TEST(w.server_app.octets == 150u * 1'400 + 5);
  BOOST_TEST(w.net.invalid_packets() == 0u, w.net.invalid());
}

BOOST_AUTO_TEST_SUITE_END()
