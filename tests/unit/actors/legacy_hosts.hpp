#pragma once

#include "tests/support/legacy_peers.hpp"
#include "tests/unit/actors/world.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Legacy clients on hosts in the world of actors.
namespace tonel::test {

inline const protocol::endpoint legacy_target{protocol::ip_address::v4(192, 168, 201, 2), 443};

inline protocol::ip_address legacy_address(std::uint8_t last) {
  return protocol::ip_address::v4(198, 51, 100, last);
}

/// Splits a written (super-)segment into the segments that its receiver reads.
inline std::vector<std::pair<protocol::segment_repr, datagram>>
as_received(const host::segment& s) {
  std::vector<std::pair<protocol::segment_repr, datagram>> out;
  for (std::size_t at = 0; at == 0 || at < s.payload.size();) {
    const auto size = std::min<std::size_t>(s.datagram_size, s.payload.size() - at);
    protocol::segment_repr in;
    in.tuple = {s.header.tuple.remote, s.header.tuple.local};
    in.seq = s.header.seq + static_cast<std::uint32_t>(at);
    in.ack = s.header.ack;
    in.window = s.header.window;
    in.flags = s.header.flags;
    in.payload_length = in.datagram_size = static_cast<std::uint32_t>(size);
    const auto from = s.payload.begin() + static_cast<std::ptrdiff_t>(at);
    out.emplace_back(in, datagram(from, from + static_cast<std::ptrdiff_t>(size)));
    at += std::max<std::size_t>(size, 1);
  }
  return out;
}

/// A client of tonel 0.6.1 or phantun with one application.
class older_client final : public host {
public:
  struct options {
    bool phantun = false;
    std::uint8_t address = 7;
    std::uint16_t port = 40'000;
    int connections = 1;
    std::string packet;
  };
  older_client(world& w, const options& o)
      : world_(w), program(o.phantun, program_options(o),
                           {[this](const auto& h, const auto& p) { send(h, p); },
                            [this](const auto& d) { got.emplace_back(d.begin(), d.end()); }}) {
    w.attach(legacy_address(o.address), *this);
  }
  ~older_client() override { world_.detach(*this); }
  older_client(const older_client&) = delete;
  older_client& operator=(const older_client&) = delete;

  void app_sends(const std::string& text) {
    program.submit({text.begin(), text.end()}, world_.now);
    world_.run();
  }
  /// Opens connections with a datagram that tonel's client never sends.
  void open() {
    app_sends("never sent");
    world_.pass(std::chrono::milliseconds{300});
  }

  void receive(const segment& s) override {
    for (const auto& [in, payload] : as_received(s)) {
      resets += in.has(protocol::flag::rst) ? 1 : 0;
      if (alive) program.receive(in, payload, world_.now);
    }
  }
  void on_timer() override {
    if (alive) program.on_timer(world_.now);
  }
  std::optional<protocol::time_point> deadline() const override {
    return alive ? program.deadline() : std::nullopt;
  }

private:
  static legacy_options program_options(const options& o) {
    legacy_options out;
    out.us = {legacy_address(o.address), o.port};
    out.them = legacy_target;
    out.handshake_packet = {o.packet.begin(), o.packet.end()};
    out.connections = o.connections;
    return out;
  }
  void send(const protocol::segment_header& header, const datagram& payload) {
    world_.send({header, payload, static_cast<std::uint32_t>(payload.size())});
  }
  world& world_;

public:
  legacy_client program;
  std::vector<std::string> got;
  int resets = 0;
  bool alive = true; ///< false: the host has vanished
};

/// A client whose segments a test makes by hand.
class raw_host final : public host {
public:
  raw_host(world& w, std::uint8_t address) : world_(w), address_(legacy_address(address)) {
    w.attach(address_, *this);
  }
  ~raw_host() override { world_.detach(*this); }
  raw_host(const raw_host&) = delete;
  raw_host& operator=(const raw_host&) = delete;

  void send(std::uint16_t port, std::uint8_t flags, std::uint32_t seq, std::uint32_t ack,
            const std::string& payload = {}) {
    protocol::segment_header h;
    h.tuple = {{address_, port}, legacy_target};
    h.seq = {seq};
    h.ack = {ack};
    h.flags = flags;
    world_.send({h, {payload.begin(), payload.end()}, static_cast<std::uint32_t>(payload.size())});
    world_.run();
  }
  /// Sends SYN and third ACK; gives the token of the SYN-ACK, or 0 if the SYN was refused.
  std::uint16_t open(std::uint16_t port, std::uint32_t syn = 0) {
    got.clear();
    send(port, protocol::flag::syn, syn, 0);
    if (got.empty() || !got.front().has(protocol::flag::syn)) return 0;
    const auto token = got.front().seq.raw;
    got.clear();
    send(port, protocol::flag::ack, syn + 1, token + 1);
    return static_cast<std::uint16_t>(token);
  }
  bool refused() const {
    return std::any_of(got.begin(), got.end(),
                       [](const auto& s) { return s.has(protocol::flag::rst); });
  }
  void receive(const segment& s) override {
    for (const auto& [in, payload] : as_received(s))
      got.push_back(in);
  }
  void on_timer() override {}
  std::optional<protocol::time_point> deadline() const override { return std::nullopt; }

  std::vector<protocol::segment_repr> got;

private:
  world& world_;
  protocol::ip_address address_;
};

} // namespace tonel::test
