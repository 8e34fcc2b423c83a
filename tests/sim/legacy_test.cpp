// Our client and server against models of tonel's and phantun's, behind strict connection tracking
// that drops what it calls INVALID.

#include "tests/sim/legacy_world.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <string>

using namespace tonel::protocol;
using namespace tonel::sim;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

/// Each of them once and nothing else, from the first-th on.
void check_all(const inbox& box, const std::string& word, int first, int last) {
  BOOST_TEST(box.empty == 0u);
  auto got = box.got;
  std::sort(got.begin(), got.end());
  std::vector<std::string> expected;
  for (int i = first; i < last; ++i)
    expected.push_back(word + ' ' + std::to_string(i));
  std::sort(expected.begin(), expected.end());
  BOOST_TEST(got == expected, boost::test_tools::per_element());
}

const datagram client_packet = text("GET / HTTP/1.1\r\n\r\n"),
               server_packet = text("200 OK\r\n\r\n");

} // namespace

BOOST_AUTO_TEST_SUITE(legacy_test)

BOOST_AUTO_TEST_CASE(our_client_uses_tonels_server_and_no_datagram_is_lost) {
  for (const auto wire : {profile::native, profile::legacy, profile::tonel}) {
    for (const std::size_t streams : {1u, 4u}) {
      world w;
      w.use_our_client(wire, streams);
      w.use_old_server(false);
      w.talk(100);
      check_all(w.server_app, "up", 0, w.said());
      // The first few downwards were before the client was there.
      BOOST_TEST(w.client_app.got.size() >= 95u);
      BOOST_TEST(w.client_app.empty == 0u);
      BOOST_TEST(w.client->open_streams() == streams);
      BOOST_TEST(w.old_server->upstream_ports() == 1u);
      BOOST_TEST(w.old_server->live() == streams);
      BOOST_TEST((w.client->wire() == profile::tonel));
      // The server's end of the native try goes with a RST of sequence number 0.
      BOOST_TEST(w.net.invalid_packets() == (wire == profile::native ? 1u : 0u), w.net.invalid());
    }
  }
}

BOOST_AUTO_TEST_CASE(our_client_uses_phantuns_server) {
  for (const auto wire : {profile::legacy, profile::phantun}) {
    world w;
    w.use_our_client(wire, 4);
    w.use_old_server(true);
    w.talk(100);
    check_all(w.server_app, "up", 0, w.said());
    BOOST_TEST(w.client->open_streams() == 1u); // it has no groups
    BOOST_TEST(w.old_server->upstream_ports() == 1u);
    BOOST_TEST(w.net.invalid_packets() == 0u, w.net.invalid());
  }
}

BOOST_AUTO_TEST_CASE(handshake_packets_stay_between_our_client_and_tonels_server) {
  for (const std::size_t streams : {1u, 4u}) {
    world w;
    w.use_our_client(profile::tonel, streams, client_packet);
    w.use_old_server(false, server_packet);
    w.talk(100);
    check_all(w.server_app, "up", 0, w.said());
    for (const auto& d : w.client_app.got)
      BOOST_TEST(d.substr(0, 4) == "down");
    BOOST_TEST(w.client->open_streams() == streams);
  }
}

BOOST_AUTO_TEST_CASE(tonels_client_uses_our_server) {
  for (const int streams : {1, 4}) {
    world w;
    w.use_old_client(false, streams);
    w.use_our_server();
    w.talk(100);
    // Its first datagram, and what it got while it opened its connections, it loses by itself.
    BOOST_TEST(w.server_app.got.size() >= 98u);
    BOOST_TEST(w.server_app.empty + w.client_app.empty == 0u);
    BOOST_TEST(w.server->upstream_ports() == 1u);
    BOOST_TEST(w.server->live_streams() == static_cast<std::size_t>(streams));
    BOOST_TEST(w.server->live_sessions() == 1u);
    BOOST_TEST(w.old_client->reconnects() == 0u);
    BOOST_TEST(w.net.invalid_packets() == 0u, w.net.invalid());
  }
}

BOOST_AUTO_TEST_CASE(with_handshake_packets_tonels_client_loses_nothing_and_gets_nothing_foreign) {
  for (const int streams : {1, 4}) {
    world w;
    w.use_old_client(false, streams, client_packet);
    w.use_our_server(server_packet);
    w.up("up 0");
    w.run_for(1s);
    BOOST_TEST((w.server_app.got == std::vector<std::string>{"up 0"}));
    BOOST_TEST(w.client_app.got.empty());
    w.talk(50);
    BOOST_TEST(w.server_app.got.size() == 51u);
    BOOST_TEST(w.client_app.got.size() == 50u);
    BOOST_TEST(w.server_app.empty + w.client_app.empty == 0u);
  }
}

BOOST_AUTO_TEST_CASE(phantuns_client_uses_our_server_from_the_first_datagram_on) {
  world w;
  w.use_old_client(true);
  w.use_our_server();
  w.up("up 0");
  w.run_for(1s);
  BOOST_TEST((w.server_app.got == std::vector<std::string>{"up 0"}));
  w.talk(100);
  BOOST_TEST(w.server_app.got.size() == 101u);
  BOOST_TEST(w.client_app.got.size() == 100u);
  BOOST_TEST(w.server->upstream_ports() == 1u);
  BOOST_TEST(w.net.invalid_packets() == 0u, w.net.invalid());
}

BOOST_AUTO_TEST_CASE(a_minute_of_idleness_costs_nothing) {
  // tonel's client gives up after 20 s without datagrams by itself, so there a download runs.
  for (const bool phantun : {false, true}) {
    world w;
    w.use_our_client(phantun ? profile::phantun : profile::tonel, phantun ? 1 : 4);
    w.use_old_server(phantun);
    w.talk(10);
    w.run_for(70s);
    const auto handshakes = w.client->handshakes();
    const auto received = w.server_app.got.size();
    w.talk(10);
    BOOST_TEST(w.client->handshakes() == handshakes);
    BOOST_TEST(w.server_app.got.size() == received + 10);
    BOOST_TEST(w.server_app.empty + w.client_app.empty == 0u);
    BOOST_TEST(w.net.invalid_packets() == 0u, w.net.invalid());
  }
  for (const bool phantun : {false, true}) {
    world w;
    w.use_old_client(phantun);
    w.use_our_server();
    w.talk(10);
    for (int i = 0; i < 7; ++i) {
      if (!phantun) w.down("down x" + std::to_string(i));
      w.run_for(10s);
    }
    w.talk(10);
    BOOST_TEST(w.old_client->reconnects() == 0u);
    BOOST_TEST(w.server->upstream_ports() == 1u);
    BOOST_TEST(w.server_app.empty + w.client_app.empty == 0u);
    if (!phantun) BOOST_TEST(w.server->of_profile(profile::tonel) == 1u);
    BOOST_TEST(w.net.invalid_packets() == 0u, w.net.invalid());
  }
}

BOOST_AUTO_TEST_CASE(a_one_way_upload_to_a_tonel_server_never_stops) {
  for (const bool phantun : {false, true}) {
    world w;
    w.use_our_client(phantun ? profile::phantun : profile::tonel);
    w.use_old_server(phantun);
    w.up("first");
    w.run_for(1s);
    for (int i = 0; i < 30; ++i) // as large as real ones are, until the window is open
      w.up(datagram(1'400));
    w.run_for(1s);
    const auto before = w.server_app.octets;
    const datagram big(60'000);
    const int count = 22'000; // 1.3 GB in 44 s
    for (int i = 0; i < count; ++i) {
      w.up(big);
      w.run_for(2ms);
    }
    w.run_for(1s);
    const auto arrived = (w.server_app.octets - before) / big.size();
    BOOST_TEST(arrived >= count - 2'000u, "arrived " << arrived);
    BOOST_TEST(w.server_app.empty == 0u);
    BOOST_TEST_MESSAGE(arrived << " of " << count << ", handshakes " << w.client->handshakes()
                               << ", INVALID " << w.net.invalid_packets() << ' '
                               << w.net.invalid());
  }
}

BOOST_AUTO_TEST_CASE(a_one_way_download_from_a_tonel_server_never_stops) {
  for (const bool phantun : {false, true}) {
    world w;
    w.use_our_client(phantun ? profile::phantun : profile::tonel);
    w.use_old_server(phantun);
    w.up("first");
    w.run_for(1s);
    const datagram big(60'000);
    for (int i = 0; i < 22'000; ++i) {
      w.down(big);
      w.run_for(2ms);
    }
    w.run_for(1s);
    BOOST_TEST(w.client_app.octets / big.size() >= 21'900u,
               "arrived " << w.client_app.octets / big.size());
    BOOST_TEST(w.client_app.empty == 0u);
  }
}

BOOST_AUTO_TEST_CASE(a_one_way_upload_to_our_server_goes_as_far_as_the_client_lets_it) {
  for (const bool phantun : {false, true}) {
    world w;
    w.use_old_client(phantun);
    w.use_our_server();
    w.up("first");
    w.run_for(1s);
    w.up("second");
    // 32 kB in a round trip, so that an answer comes before 64 KiB are under way.
    const datagram big(8'000);
    const int count = 5'000;
    for (int i = 0; i < count; ++i) {
      w.up(big);
      w.run_for(10ms);
    }
    w.run_for(1s);
    BOOST_TEST(w.server_app.octets >= std::uint64_t{count} * big.size(), w.net.invalid());
    BOOST_TEST(w.server_app.empty + w.client_app.empty == 0u);
    BOOST_TEST(w.old_client->reconnects() == 0u);
    BOOST_TEST(w.server->of_profile(phantun ? profile::phantun : profile::tonel) == 1u);
  }
}

BOOST_AUTO_TEST_CASE(a_phantun_client_known_as_such_uploads_without_end) {
  world w;
  w.use_old_client(true);
  w.use_our_server();
  // Its first SYN is lost; the repeats show what it is.
  int n = 0;
  w.net.set_filter([&n](const packet& p) { return !p.from_client && n++ == 0; });
  w.up("first");
  w.run_for(3s);
  BOOST_TEST(w.server->of_profile(profile::phantun) == 1u);
  const datagram big(60'000);
  for (int i = 0; i < 22'000; ++i) {
    w.up(big);
    w.run_for(2ms);
  }
  w.run_for(1s);
  BOOST_TEST(w.server_app.octets == 22'000u * big.size() + 5, w.net.invalid());
  BOOST_TEST(w.net.invalid_packets() == 0u, w.net.invalid());
}

BOOST_AUTO_TEST_CASE(any_packet_of_a_handshake_may_be_lost) {
  // The n-th packet from either end, of SYN, SYN-ACK, third ACK, probe or handshake packet, reply.
  for (const bool phantun : {false, true}) {
    for (const bool with_packet : {false, true}) {
      for (const bool from_client : {false, true}) {
        for (int lost = 0; lost < 4; ++lost) {
          BOOST_TEST_CONTEXT("phantun " << phantun << ", packet " << with_packet << ", from client "
                                        << from_client << ", lost " << lost) {
            world w;
            w.use_our_client(phantun ? profile::phantun : profile::tonel, 1,
                             with_packet ? client_packet : datagram{});
            w.use_old_server(phantun, with_packet ? server_packet : datagram{});
            int n = 0;
            w.net.set_filter(
                [&](const packet& p) { return p.from_client == from_client && n++ == lost; });
            w.up("up 0");
            w.run_for(13s);
            // tonel's ends are cured whole; phantun's server takes the datagram behind a lost third
            // ACK for that.
            if (!phantun && lost < (with_packet ? 3 : 2))
              BOOST_TEST(std::count(w.server_app.got.begin(), w.server_app.got.end(), "up 0") == 1);
            for (int i = 0; i < 5; ++i) {
              w.up("more");
              w.run_for(500ms);
            }
            BOOST_TEST(std::count(w.server_app.got.begin(), w.server_app.got.end(), "more") >= 4);
            BOOST_TEST(w.server_app.empty == 0u);
            if (!phantun)
              for (const auto& d : w.server_app.got)
                BOOST_TEST((d == "up 0" || d == "more"), d);
            BOOST_TEST(w.client->open_streams() == 1u);
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(any_packet_of_an_old_clients_handshake_may_be_lost) {
  for (const bool phantun : {false, true}) {
    for (const bool with_packet : {false, true}) {
      for (const bool from_client : {false, true}) {
        for (int lost = 0; lost < 3; ++lost) {
          BOOST_TEST_CONTEXT("phantun " << phantun << ", packet " << with_packet << ", from client "
                                        << from_client << ", lost " << lost) {
            world w;
            w.use_old_client(phantun, 1, with_packet ? client_packet : datagram{});
            w.use_our_server(with_packet ? server_packet : datagram{});
            int n = 0;
            w.net.set_filter(
                [&](const packet& p) { return p.from_client == from_client && n++ == lost; });
            for (int i = 0; i < 20; ++i) {
              w.up("up " + std::to_string(i));
              w.run_for(1s);
            }
            // Connected within its own 3 s of waiting and a second try.
            BOOST_TEST(w.server_app.got.size() >= 14u);
            BOOST_TEST(w.server_app.got.back() == "up 19");
            BOOST_TEST(w.server_app.empty + w.client_app.empty == 0u);
            for (const auto& d : w.server_app.got)
              BOOST_TEST(d.substr(0, 2) == "up");
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(an_old_client_restarts_with_the_same_port) {
  for (const bool phantun : {false, true}) {
    for (const auto after : {1s, 10s, 40s, 2'000s}) {
      BOOST_TEST_CONTEXT("phantun " << phantun << ", after " << after.count() << " s") {
        world w;
        w.use_old_client(phantun);
        w.use_our_server();
        w.talk(10);
        w.old_client->restart();
        w.run_for(after);
        w.old_client->set_port(at_client.port);
        const auto before = w.server_app.got.size();
        for (int i = 0; i < 10; ++i) {
          w.up("again");
          w.run_for(500ms);
        }
        BOOST_TEST(w.server_app.got.size() >= before + (after < 3s ? 2 : 8));
        const auto half = w.client_app.got.size();
        w.talk(10);
        BOOST_TEST(w.client_app.got.size() >= half + 10);
        BOOST_TEST(w.server_app.empty + w.client_app.empty == 0u);
        if (after > 3s) BOOST_TEST(w.server->live_sessions() == 1u);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(clients_of_our_restarted_server_come_back) {
  for (const bool phantun : {false, true}) {
    world w;
    w.use_old_client(phantun, phantun ? 1 : 4);
    w.use_our_server();
    w.talk(20);
    w.server->restart();
    const auto before = w.server_app.got.size();
    w.talk(60, 100ms);
    BOOST_TEST(w.server_app.got.size() >= before + 40);
    BOOST_TEST(w.server->live_sessions() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(our_client_comes_back_to_a_restarted_old_server) {
  for (const bool phantun : {false, true}) {
    world w;
    w.use_our_client(phantun ? profile::phantun : profile::tonel, 4);
    w.use_old_server(phantun);
    w.talk(20);
    w.old_server->restart();
    const auto before = w.server_app.got.size();
    w.talk(60, 100ms);
    BOOST_TEST(w.server_app.got.size() >= before + 45, w.server_app.got.size() - before);
    BOOST_TEST(w.server_app.empty == 0u);
  }
}

BOOST_AUTO_TEST_CASE(with_loss_nothing_foreign_comes_out_and_the_tunnel_lives) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      const bool ours_is_client = seed % 2 == 0, phantun = seed % 4 < 2;
      auto path = strict(0.01 + static_cast<double>(seed % 5) / 100);
      path.reorder = seed % 3 == 0 ? 0.05 : 0;
      path.jitter = std::chrono::milliseconds{seed % 4 * 5};
      world w{seed, path};
      if (ours_is_client) {
        w.use_our_client(phantun ? profile::phantun : profile::tonel, 4);
        w.use_old_server(phantun);
      } else {
        w.use_old_client(phantun, 4);
        w.use_our_server();
      }
      w.talk(400, 100ms);
      const auto& in = w.server_app.got;
      BOOST_TEST(in.size() >= 250u, in.size());
      for (const auto& d : in)
        BOOST_TEST(d.substr(0, 3) == "up ");
      if (!ours_is_client) BOOST_TEST(w.server_app.empty == 0u);
      BOOST_TEST(w.client_app.empty == 0u);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
