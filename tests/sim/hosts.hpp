#pragma once

#include "tests/sim/network.hpp"
#include "tests/sim/shells.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace tonel::sim {

/// Makes datagrams whose number, size and content can be checked at their arrival.
class traffic {
public:
  /// The next datagram's octets; size 0 or at least 8.
  std::vector<std::uint8_t> make(std::size_t size);
  void arrived(protocol::byte_view one);

  std::uint64_t made = 0;     ///< by the application
  std::uint64_t sent = 0;     ///< passed to the network
  std::uint64_t received = 0; ///< with copies
  std::uint64_t altered = 0;
  std::uint64_t reordered = 0; ///< received after a later one
  std::uint64_t repeated = 0;  ///< received more than once

private:
  std::vector<std::uint32_t> sizes_;
  std::vector<std::uint8_t> times_;
  std::uint64_t latest_ = 0;
};

/// A client with one application.
class client_host final : public client_shell {
public:
  client_host(std::uint64_t seed, network& net, traffic& out, traffic& in,
              const protocol::client_session_config& config, std::size_t handshake_packet = 0,
              std::uint16_t first_port = 40'000);

  /// What arrived at one instant; `merge` does as GRO does.
  void receive(const std::vector<packet>& packets, bool merge, time_point now);
  /// The application sends `count` datagrams of `size` octets.
  void submit(std::size_t size, std::uint32_t count, time_point now);
  std::uint64_t held_back() const { return queue_.size(); }

private:
  void deliver(entry& e, protocol::byte_view data, std::uint32_t size, time_point now) override;
  void flush(time_point now) override;

  traffic& out_;
  traffic& in_;
  std::deque<datagram> queue_; ///< datagrams held until streams are announced
  bool early_ = false; ///< early datagrams were sent; no more before the server's first segment
};

/// A server and its upstream, which knows the datagrams of all clients.
class server_host final : public server_shell {
public:
  server_host(std::uint64_t seed, network& net, traffic& out, traffic& in);

  /// What arrived at one instant; `merge` does as GRO does.
  void receive(const std::vector<packet>& packets, bool merge, time_point now);
  /// The upstream sends to the youngest session that it can reach.
  void submit(std::size_t size, std::uint32_t count, time_point now);
  /// The upstream sends a datagram to each session.
  void submit_to_all(std::size_t size, time_point now);
  /// Whether the upstream knows a session that has a stream.
  bool is_reachable() const;

private:
  void to_upstream(session_key from, protocol::byte_view one) override;

  traffic& out_;
  traffic& in_;
};

} // namespace tonel::sim
