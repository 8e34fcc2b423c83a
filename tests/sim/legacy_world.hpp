#pragma once

#include "tests/sim/legacy_hosts.hpp"
#include "tests/sim/virtual_time.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

// One client and one server, of which one or both are ours, behind strict connection tracking that
// drops INVALID packets.
namespace tonel::sim {

using protocol::endpoint;
using protocol::ip_address;
using protocol::profile;
using protocol::segment_header;
using test::legacy_client;
using test::legacy_options;
using test::legacy_server;
using test::legacy_world;
using namespace std::chrono_literals;

inline const time_point start = time_point{70h};
inline const endpoint at_client{ip_address::v4(198, 51, 100, 7), 40'000};
inline const endpoint at_server{ip_address::v4(192, 0, 2, 1), 443};

inline datagram text(const std::string& s) { return {s.begin(), s.end()}; }

/// The datagrams of one application; all datagrams of a test differ.
struct inbox {
  std::vector<std::string> got;
  std::uint64_t octets = 0, empty = 0;

  deliver_to sink() {
    return [this](const datagram& d) {
      octets += d.size();
      if (d.empty()) ++empty;
      if (d.size() < 1'000) got.emplace_back(d.begin(), d.end());
    };
  }
};

inline path_options strict(double loss = 0) {
  path_options out;
  out.drop_invalid = true;
  out.loss = loss;
  return out;
}

/// One client and one server, of which one or both are ours, with the network between them.
class world {
public:
  explicit world(std::uint64_t seed = 1, const path_options& path = strict()) : net(seed, path) {}

  network net;
  inbox client_app, server_app;
  std::unique_ptr<our_client> client;
  std::unique_ptr<our_server> server;
  std::unique_ptr<legacy_client> old_client;
  std::unique_ptr<legacy_server> old_server;

  void use_our_client(profile wire, std::size_t count = 1, const datagram& packet = {}) {
    client =
        std::make_unique<our_client>(net, client_app.sink(), 5, wire, count, at_client, at_server);
    client->handshake_packet = packet;
  }
  void use_our_server(const datagram& packet = {}) {
    server = std::make_unique<our_server>(net, server_app.sink(), 6, at_server.port);
    server->handshake_packet = packet;
  }
  void use_old_client(bool phantun, int connections = 1, const datagram& packet = {}) {
    old_client = std::make_unique<legacy_client>(
        phantun, legacy_options{at_client, at_server, packet, connections}, of(true, client_app));
  }
  void use_old_server(bool phantun, const datagram& packet = {}) {
    old_server = std::make_unique<legacy_server>(phantun, legacy_options{at_server, {}, packet, 1},
                                                 of(false, server_app));
  }

  void up(const datagram& d) { client ? client->submit(d, now) : old_client->submit(d, now); }
  void down(const datagram& d) { server ? server->submit(d, now) : old_server->submit(d, now); }
  void up(const std::string& s) { up(text(s)); }
  void down(const std::string& s) { down(text(s)); }

  void run_for(duration time) {
    const auto deadlines = [&](const auto& sooner) {
      sooner(net.next());
      if (client) sooner(client->deadline());
      if (server) sooner(server->deadline());
      if (old_client) sooner(old_client->deadline());
      if (old_server) sooner(old_server->deadline());
    };
    pass_time(now, time, deadlines, [this] { step(); });
  }

  /// Sends datagrams both ways for some time.
  void talk(int count, duration gap = 50ms) {
    for (int i = 0; i < count; ++i) {
      up("up " + std::to_string(said_));
      down("down " + std::to_string(said_++));
      run_for(gap);
    }
    run_for(1s);
  }
  int said() const { return said_; }

  time_point now = start;

private:
  void step() {
    for (auto& p : net.advance(now)) {
      const auto in = as_received(p);
      if (p.from_client)
        server ? server->receive(in, p.payload, now) : old_server->receive(in, p.payload, now);
      else
        client ? client->receive(in, p.payload, now) : old_client->receive(in, p.payload, now);
    }
    if (client) client->on_timer(now);
    if (server) server->on_timer(now);
    if (old_client) old_client->on_timer(now);
    if (old_server) old_server->on_timer(now);
  }
  legacy_world of(bool is_client, inbox& app) {
    return {[this, is_client](const segment_header& h, const datagram& d) {
              net.send(is_client, h, d, static_cast<std::uint32_t>(d.size()), now);
            },
            app.sink()};
  }
  int said_ = 0;
};

} // namespace tonel::sim
