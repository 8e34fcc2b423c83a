// Sessions of several streams, and several sessions, over the simulator's network: both ends' machines as
// they ship.

#include "tests/sim/hosts.hpp"
#include "tests/sim/virtual_time.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <initializer_list>
#include <memory>
#include <set>
#include <vector>

using namespace tonel::protocol;
using namespace tonel::sim;
using namespace std::chrono_literals;

namespace {

const time_point start = time_point{50h};
constexpr std::uint16_t ports_of_each = 1'000;

client_session_config with(std::size_t streams) {
  client_session_config out;
  out.streams = streams;
  return out;
}

std::vector<endpoint> addresses(std::initializer_list<std::uint8_t> hosts) {
  std::vector<endpoint> out;
  for (const auto host : hosts)
    out.push_back({ip_address::v4(203, 0, 113, host), 443});
  return out;
}

/// The server can be reached at this address alone.
std::function<bool(const packet&)> all_but(const ip_address& good) {
  return [good](const packet& p) {
    const auto& tuple = p.header.tuple;
    return (p.from_client ? tuple.remote : tuple.local).address != good;
  };
}

/// Some clients of one server, each with an application that sends every 20 ms and gets answers.
class world {
public:
  world(std::uint64_t seed, std::size_t clients, std::size_t streams,
        const path_options& path = path_options{})
      : net(seed, path), server(seed + 1, net, down, up) {
    for (std::size_t i = 0; i < clients; ++i)
      all.push_back(
          std::make_unique<client_host>(seed + 2 + i, net, up, down, with(streams), 0,
                                        static_cast<std::uint16_t>(20'000 + i * ports_of_each)));
  }

  void run_for(duration time) {
    const auto deadlines = [&](const auto& sooner) {
      sooner(next_word_);
      sooner(net.next());
      sooner(server.deadline());
      for (const auto& c : all)
        sooner(c->deadline());
    };
    pass_time(now, time, deadlines, [this] { step(); });
  }
  client_host& first() { return *all.front(); }
  std::size_t alive() const {
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [](const auto& c) { return c->alive(); }));
  }
  /// All that was sent from now on, until everything is there, arrived.
  void check_that_all_passes(duration time) {
    talking = false;
    run_for(1s);
    const auto sent = up.sent + down.sent, got = up.received + down.received;
    talking = true;
    run_for(time);
    talking = false;
    run_for(1s);
    talking = true;
    BOOST_TEST(up.received + down.received - got == up.sent + down.sent - sent);
  }
  void check_contents() const {
    BOOST_TEST(up.altered + down.altered == 0u);
    BOOST_TEST(up.repeated + down.repeated == 0u);
  }

  traffic up, down;
  network net;
  server_host server;
  std::vector<std::unique_ptr<client_host>> all;
  time_point now = start;
  bool talking = true;

private:
  void step() {
    for (auto& p : net.advance(now)) {
      if (p.from_client) {
        server.receive({p}, false, now);
      } else {
        const auto of = (p.client_port() - std::size_t{20'000}) / ports_of_each;
        all.at(of)->receive({p}, false, now);
      }
    }
    for (const auto& c : all)
      c->on_timer(now);
    server.on_timer(now);
    if (next_word_ > now) return;
    next_word_ = now + 20ms;
    if (!talking) return;
    for (const auto& c : all)
      c->submit(100, 1, now);
    server.submit_to_all(100, now);
  }

  time_point next_word_ = start;
};

} // namespace

BOOST_AUTO_TEST_SUITE(session_test)

BOOST_AUTO_TEST_CASE(four_streams_carry_one_session) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    world w{seed, 1, 4};
    w.run_for(2s);
    BOOST_TEST(w.first().announced() == 4u);
    BOOST_TEST(w.first().attempts() == 4u);
    BOOST_TEST(w.server.upstream_ports() == 1u);
    w.check_that_all_passes(5s);
    w.check_contents();
    BOOST_TEST(w.net.invalid() == "");
  }
}

BOOST_AUTO_TEST_CASE(four_streams_are_alive_within_ten_seconds_after_an_outage) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      world w{seed, 1, 4};
      w.run_for(5s);
      w.net.set_blackout(true, true);
      w.run_for(std::chrono::seconds{seed});
      w.net.set_blackout(false, false);
      w.run_for(10s);
      BOOST_TEST(w.first().alive());
      BOOST_TEST(w.server.alive());
      w.check_that_all_passes(5s);
      w.check_contents();
      BOOST_TEST(w.server.upstream_ports() == 1u); // the upstream has noticed nothing
      BOOST_TEST(w.net.invalid() == "");
    }
  }
}

BOOST_AUTO_TEST_CASE(of_four_streams_two_whose_ports_die_are_left_within_a_second_and_replaced) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      world w{seed, 1, 4};
      w.run_for(5s);
      BOOST_REQUIRE(w.first().announced() == 4u);
      // Every second port is on a path that is dead from now on, those of later streams, too.
      w.net.set_filter([](const packet& p) { return p.client_port() % 2 == 0; });
      w.run_for(1s);
      const auto sent = w.up.sent, got = w.up.received;
      w.run_for(9s);
      BOOST_TEST(w.first().announced() == 4u);
      BOOST_TEST(static_cast<double>(w.up.received - got) >=
                 0.99 * static_cast<double>(w.up.sent - sent));
      w.check_that_all_passes(5s);
      w.check_contents();
      BOOST_TEST(w.server.upstream_ports() == 1u);
    }
  }
}

BOOST_AUTO_TEST_CASE(where_a_syns_port_is_dead_another_takes_over_after_250_ms) {
  world w{1, 1, 1};
  w.net.set_filter([](const packet& p) { return p.client_port() == 20'000; });
  w.run_for(249ms);
  BOOST_TEST(w.first().attempts() == 1u);
  w.run_for(250ms);
  BOOST_TEST(w.first().alive());
  BOOST_TEST(w.first().current_port() == 20'001);
  BOOST_TEST(w.first().handshakes() == 1u);
  w.check_that_all_passes(2s);
  w.check_contents();
  BOOST_TEST(w.server.accepted() == 1u);
}

BOOST_AUTO_TEST_CASE(attempts_that_are_answered_late_open_nothing_at_the_server) {
  // The round trip is longer than the wait for another port: several SYNs are answered.
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    path_options path;
    path.delay = 400ms + std::chrono::milliseconds{10 * seed};
    world w{seed, 1, 4, path};
    w.run_for(20s);
    BOOST_TEST(w.first().announced() == 4u);
    BOOST_TEST(w.server.accepted() == 4u);
    BOOST_TEST(w.first().attempts() > 4u);
    BOOST_TEST(w.server.upstream_ports() == 1u);
    w.check_contents();
  }
}

BOOST_AUTO_TEST_CASE(a_server_that_refuses_for_a_while_is_come_back_to) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      world w{seed, 1, 4};
      w.run_for(5s);
      // The process is gone: its host answers all with RST.
      w.server.set_refusing(true);
      w.run_for(std::chrono::seconds{1 + 2 * seed});
      BOOST_TEST(!w.first().alive());
      w.server.set_refusing(false);
      w.run_for(10s);
      BOOST_TEST(w.first().alive());
      BOOST_TEST(w.server.live_sessions() == 1u);
      w.check_that_all_passes(5s);
      // Those that were given up after 30 s while the first of them was back are tried after a minute.
      w.run_for(60s);
      BOOST_TEST(w.first().announced() == 4u);
      w.check_contents();
    }
  }
}

BOOST_AUTO_TEST_CASE(a_remote_that_moves_is_followed_and_the_session_stays) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      world w{seed, 1, 4};
      w.run_for(5s);
      const endpoint moved{ip_address::v4(203, 0, 113, 5), 443};
      w.first().resolve({moved}, w.now);
      w.check_that_all_passes(2s); // by the address that still answers
      w.net.set_filter([moved](const packet& p) {
        return (p.from_client ? p.header.tuple.remote : p.header.tuple.local) != moved;
      });
      w.run_for(10s);
      BOOST_TEST(w.first().announced() == 4u);
      BOOST_TEST(w.first().sessions() == 1u);
      BOOST_TEST(w.server.upstream_ports() == 1u);
      w.check_that_all_passes(5s);
      w.check_contents();
    }
  }
}

BOOST_AUTO_TEST_CASE(of_three_addresses_the_one_that_answers_is_found_within_a_second) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      const auto good = ip_address::v4(203, 0, 113, 3);
      world w{seed, 1, 1 + 3 * (seed % 2)};
      w.net.set_filter(all_but(good));
      w.first().resolve(addresses({1, 2, 3}), w.now);
      w.run_for(1s);
      BOOST_TEST(w.first().alive());
      w.check_that_all_passes(5s);
      w.check_contents();
      BOOST_TEST(w.first().sessions() == 1u);
      BOOST_TEST(w.server.upstream_ports() == 1u);
      // The next session goes there at once.
      w.first().close(w.now);
      w.run_for(1s);
      const auto attempts = w.first().attempts();
      w.run_for(1s);
      BOOST_TEST(w.first().sessions() == 2u);
      BOOST_TEST(w.first().alive());
      w.check_that_all_passes(2s);
      BOOST_TEST(w.first().attempts() - attempts <= w.first().announced());
    }
  }
}

BOOST_AUTO_TEST_CASE(when_an_address_dies_the_session_goes_on_at_another) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      world w{seed, 1, 1 + 3 * (seed % 2)};
      w.first().resolve(addresses({1, 2, 3}), w.now);
      w.run_for(5s);
      for (const int alive : {2, 3, 1, 3}) {
        w.net.set_filter(all_but(ip_address::v4(203, 0, 113, static_cast<std::uint8_t>(alive))));
        w.run_for(8s);
        BOOST_TEST(w.first().alive());
        w.check_that_all_passes(2s);
      }
      BOOST_TEST(w.first().sessions() == 1u);
      BOOST_TEST(w.server.upstream_ports() == 1u); // one server has them all
      w.check_contents();
    }
  }
}

BOOST_AUTO_TEST_CASE(a_name_that_has_moved_is_asked_when_nothing_answers_and_the_session_stays) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      world w{seed, 1, 1 + 3 * (seed % 2)};
      w.run_for(5s);
      int questions = 0;
      w.first().name_server = [&questions] {
        return ++questions < 3 ? std::vector<endpoint>{} : addresses({9});
      };
      w.net.set_filter(all_but(ip_address::v4(203, 0, 113, 9)));
      w.run_for(15s);
      BOOST_TEST(questions == 3);
      BOOST_TEST(w.first().alive());
      w.check_that_all_passes(5s);
      BOOST_TEST(w.first().sessions() == 1u);
      BOOST_TEST(w.server.upstream_ports() == 1u);
      w.check_contents();
    }
  }
}

BOOST_AUTO_TEST_CASE(all_sessions_of_a_restarted_server_come_back_within_a_second) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      world w{seed, 30, 4};
      w.run_for(5s);
      BOOST_TEST(w.server.live_sessions() == 30u);
      w.server.restart();
      w.run_for(1s);
      BOOST_TEST(w.alive() == 30u);
      BOOST_TEST(w.server.live_sessions() == 30u);
      w.run_for(1s);
      w.check_that_all_passes(3s);
      for (const auto& c : w.all) {
        BOOST_TEST(c->sessions() == 1u);
        BOOST_TEST(c->announced() == 4u);
      }
      w.check_contents();
    }
  }
}

BOOST_AUTO_TEST_CASE(idle_sessions_end_at_both_ends_and_the_next_datagram_makes_another) {
  world w{1, 3, 4};
  w.run_for(5s);
  w.talking = false;
  w.run_for(200s);
  BOOST_TEST(w.alive() == 0u);
  BOOST_TEST(w.server.live_sessions() == 0u);
  for (const auto& c : w.all)
    BOOST_TEST(c->streams() == 0u);
  BOOST_TEST(w.server.streams() == 0u);
  w.talking = true;
  w.run_for(2s);
  BOOST_TEST(w.alive() == 3u);
  BOOST_TEST(w.server.upstream_ports() == 6u);
  w.check_contents();
  BOOST_TEST(w.net.invalid() == "");
}

BOOST_AUTO_TEST_SUITE_END()
