// Servers that don't know each other: behind the addresses of one name, or behind one address with a
// balancer. To go to another one costs the port that the upstream knows, and so is the last resort.

#include "tests/sim/hosts.hpp"
#include "tests/sim/virtual_time.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <vector>

using namespace tonel::protocol;
using namespace tonel::sim;
using namespace std::chrono_literals;

namespace {

const time_point start = time_point{50h};

endpoint address(std::size_t server) {
  return {ip_address::v4(203, 0, 113, static_cast<std::uint8_t>(server + 1)), 443};
}

client_session_config with(std::size_t streams, std::chrono::seconds deadline = {}) {
  client_session_config out;
  out.streams = streams;
  out.deadline = deadline;
  return out;
}

/// One client, whose application sends every 20 ms, and some servers, whose upstreams answer if told to.
class world {
public:
  world(std::uint64_t seed, std::size_t number, const client_session_config& config,
        const path_options& path = path_options{})
      : net(seed, path), client(seed + 1, net, up, down, config), salt_(seed) {
    for (std::size_t i = 0; i < number; ++i)
      servers.push_back(std::make_unique<server_host>(seed + 2 + i, net, down, up));
  }
  /// Each server has an address of its own.
  void by_address() {
    std::vector<endpoint> all;
    for (std::size_t i = 0; i < servers.size(); ++i)
      all.push_back(address(i));
    client.resolve(all, now);
    where_ = [](const four_tuple& tuple) {
      return tuple.remote.address.data()[3] - std::size_t{1};
    };
  }
  /// One address; a balancer chooses by the client's port.
  void by_port() {
    where_ = [this](const four_tuple& tuple) {
      std::mt19937_64 mix{salt_ * 65'536 + tuple.local.port};
      return static_cast<std::size_t>(mix() % servers.size());
    };
  }
  /// The balancer leads all but this port to that server.
  void lead_new_ones_to(std::size_t server, std::uint16_t old) {
    where_ = [server, old, before = std::move(where_)](const four_tuple& tuple) {
      return tuple.local.port == old ? before(tuple) : server;
    };
  }
  /// Nothing reaches this server any more, and nothing comes from it.
  void vanish(std::size_t server) {
    net.set_filter([this, server](const packet& p) { return server_of(p) == server; });
  }
  std::size_t server_of(const packet& p) const {
    const auto& tuple = p.header.tuple;
    return where_(p.from_client ? tuple : four_tuple{tuple.remote, tuple.local});
  }
  /// The server with the session's streams.
  std::size_t home() const {
    std::size_t at = 0;
    while (at < servers.size() && !servers[at]->alive())
      ++at;
    return at;
  }
  /// All ports that upstreams have seen.
  std::uint64_t upstream_ports() const {
    std::uint64_t out = 0;
    for (const auto& s : servers)
      out += s->upstream_ports();
    return out;
  }
  std::size_t live_sessions() const {
    std::size_t out = 0;
    for (const auto& s : servers)
      out += s->live_sessions();
    return out;
  }
  void run_for(duration time) {
    const auto deadlines = [&](const auto& sooner) {
      sooner(next_word_);
      sooner(net.next());
      sooner(client.deadline());
      for (const auto& s : servers)
        sooner(s->deadline());
    };
    pass_time(now, time, deadlines, [this] { step(); });
  }
  /// How long nothing arrives from now on, `limit` at most.
  duration silence(duration limit) {
    const auto since = now;
    const auto before = up.received;
    while (up.received == before && now - since < limit)
      run_for(10ms);
    return now - since;
  }

  traffic up, down;
  network net;
  client_host client;
  std::vector<std::unique_ptr<server_host>> servers;
  time_point now = start;
  bool talking = true, answering = true;
  duration pause = 20ms;

private:
  void step() {
    for (auto& p : net.advance(now)) {
      if (p.from_client)
        servers.at(server_of(p))->receive({p}, false, now);
      else
        client.receive({p}, false, now);
    }
    client.on_timer(now);
    for (const auto& s : servers)
      s->on_timer(now);
    if (next_word_ > now) return;
    next_word_ = now + pause;
    if (talking) client.submit(100, 1, now);
    if (!answering) return;
    for (const auto& s : servers)
      s->submit_to_all(100, now);
  }

  std::uint64_t salt_;
  std::function<std::size_t(const four_tuple&)> where_;
  time_point next_word_ = start;
};

} // namespace

BOOST_AUTO_TEST_SUITE(several_servers_test)

BOOST_AUTO_TEST_CASE(a_host_that_vanishes_without_a_word_is_replaced_within_three_seconds) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      world w{seed, 3, with(1 + 3 * (seed % 2))};
      w.answering = seed % 3 != 0;
      w.by_address();
      w.run_for(5s + std::chrono::milliseconds{100 * seed});
      const auto before = w.home();
      BOOST_REQUIRE(before < 3u);
      w.vanish(before);
      w.run_for(100ms); // what is on its way
      BOOST_TEST((w.silence(10s) <= 2'900ms));
      BOOST_TEST(w.upstream_ports() == 2u);
      w.run_for(2s);
      BOOST_TEST(w.client.announced() == 1 + 3 * (seed % 2));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_host_behind_a_balancer_that_vanishes_is_left_as_soon) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      world w{seed, 2, with(1)};
      w.by_port();
      w.run_for(5s);
      const auto before = w.home();
      w.vanish(before);
      w.lead_new_ones_to(1 - before, w.client.current_port());
      w.run_for(100ms);
      BOOST_TEST((w.silence(10s) <= 3s));
      BOOST_TEST(w.upstream_ports() == 2u);
    }
  }
}

BOOST_AUTO_TEST_CASE(losses_of_thirty_in_a_hundred_make_no_session_hop) {
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      path_options path;
      path.loss = 0.1 * static_cast<double>(1 + seed % 3);
      world w{seed, 2, with(1), path};
      w.answering = seed % 2 != 0; // else nothing but tonel's own acknowledgements comes back
      if (seed % 4 == 0) w.pause = 7s;
      w.by_address();
      w.run_for(10min);
      BOOST_TEST(w.upstream_ports() == 1u);
      BOOST_TEST(w.live_sessions() <= 2u); // one that was not needed, and whose FINs were all lost
    }
  }
}

BOOST_AUTO_TEST_CASE(rotation_behind_a_balancer_keeps_the_server_and_its_upstream_port) {
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      const auto n = 2 + seed % 3;
      world w{seed, n, with(1 + 3 * (seed % 2), 30s)};
      w.by_port();
      w.run_for(10min);
      BOOST_TEST(w.upstream_ports() == 1u);
      BOOST_TEST(w.live_sessions() == 1u);
      BOOST_TEST(w.client.announced() == 1 + 3 * (seed % 2));
      w.talking = w.answering = false;
      w.run_for(1s);
      BOOST_TEST(w.up.received == w.up.sent);
      BOOST_TEST(w.down.received == w.down.sent);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_stream_whose_server_no_port_leads_to_outlives_its_deadline) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      world w{seed, 2, with(1, 30s)};
      w.by_port();
      w.run_for(5s);
      const auto before = w.home(), other = 1 - before;
      const auto port = w.client.current_port();
      // From now on the balancer leads all that is new to the other one.
      w.lead_new_ones_to(other, port);
      w.run_for(5min);
      BOOST_TEST(w.client.current_port() == port);
      BOOST_TEST(w.client.attempts() <= 40u);
      BOOST_TEST(w.upstream_ports() == 1u);
      // When that server ends, the other one gets the session, and no wait for an idle timeout remains.
      w.servers[before]->set_refusing(true);
      w.run_for(5s);
      BOOST_TEST(w.client.alive());
      BOOST_TEST(w.servers[other]->upstream_ports() == 1u);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_server_that_is_left_while_it_still_hears_ends_the_session_at_once) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      world w{seed, 2, with(1 + 3 * (seed % 2))};
      w.by_address();
      w.run_for(5s);
      const auto before = w.home();
      // Nothing comes from it, while it hears all.
      w.net.set_filter([&](const packet& p) { return !p.from_client && w.server_of(p) == before; });
      w.run_for(20s);
      BOOST_TEST(w.upstream_ports() == 2u);
      BOOST_TEST(w.servers[before]->live_sessions() == 0u);
      BOOST_TEST(w.live_sessions() == 1u);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_name_that_moves_to_another_server_ends_the_session_at_the_one_before) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      world w{seed, 2, with(1 + 3 * (seed % 2))};
      w.by_address();
      w.client.resolve({address(0)}, w.now);
      w.run_for(5s);
      w.client.resolve({address(1)}, w.now);
      w.run_for(2s);
      BOOST_TEST(w.home() == 1u);
      BOOST_TEST(w.servers[0]->live_sessions() == 0u);
      BOOST_TEST(w.client.announced() == 1 + 3 * (seed % 2));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
