#pragma once

#include "tests/sim/network.hpp"
#include "tests/sim/shells.hpp"
#include "tests/support/legacy_peers.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>

// Our ends for worlds in which the other end is a legacy program.
namespace tonel::sim {

using deliver_to = std::function<void(const datagram&)>;

/// A client's session of `count` streams with one application.
class our_client final : public client_shell {
public:
  /// wire: native: --wire auto; legacy: --wire auto after the native SYN was refused
  our_client(network& net, deliver_to deliver, std::uint64_t seed, protocol::profile wire,
             std::size_t count, const protocol::endpoint& us, const protocol::endpoint& them);
  void submit(const datagram& data, time_point now);

private:
  void deliver(entry& e, protocol::byte_view data, std::uint32_t size, time_point now) override;
  void flush(time_point now) override;

  deliver_to deliver_;
  std::deque<datagram> queue_;
};

/// A server for all dialects.
class our_server final : public server_shell {
public:
  our_server(network& net, deliver_to deliver, std::uint64_t seed, std::uint16_t port)
      : server_shell(net, seed, port, true), deliver_(std::move(deliver)) {}
  /// The upstream sends to the sessions of all clients.
  void submit(const datagram& data, time_point now);
  std::size_t live_streams() const { return open_streams(); }

private:
  void to_upstream(session_key from, protocol::byte_view one) override;

  deliver_to deliver_;
};

} // namespace tonel::sim
