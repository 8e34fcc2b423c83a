#pragma once

#include "protocol/acceptor.hpp"
#include "protocol/stream.hpp"
#include "tests/sim/network.hpp"
#include "tests/support/legacy_peers.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

// The shells around our streams, as the actors are, for worlds in which the other end is an older
// program.
namespace tonel::sim {

using test::datagram;
using deliver_to = std::function<void(const datagram&)>;

/// Streams by the client's port, their effects, and the runs of a socket.
class our_host {
public:
  our_host(bool client, network& net, deliver_to deliver, std::uint64_t seed)
      : client_(client), net_(net), deliver_(std::move(deliver)), random_(seed) {}
  virtual ~our_host() = default;
  our_host(const our_host&) = delete;
  our_host& operator=(const our_host&) = delete;

  void receive(const protocol::segment_repr& in, const datagram& payload, time_point now);
  virtual void submit(const datagram& data, time_point now) = 0;
  virtual void on_timer(time_point now);
  virtual std::optional<time_point> deadline() const;

  datagram handshake_packet;

protected:
  struct entry {
    protocol::stream machine;
    std::uint16_t port;
    std::uint64_t session = 0;
    bool ended = false;
    bool forgotten = false;
  };
  entry& add(protocol::stream machine, std::uint16_t port);
  void run(entry& e, const protocol::effects& list, const protocol::segment_repr* in,
           const datagram& payload, time_point now);
  bool send(entry& e, const datagram& data, time_point now);
  void sweep();
  void reply(const protocol::segment_header& header, time_point now) {
    net_.send(client_, header, {}, 0, now);
  }
  std::shared_ptr<const std::vector<std::uint8_t>> packet() const;
  virtual void on_stray(const protocol::segment_repr& in, const datagram& payload,
                        time_point now) = 0;
  virtual void on_event(entry&, const protocol::effect&, time_point) {}
  virtual void on_forgotten(const entry&) {}

  bool client_;
  network& net_;
  deliver_to deliver_;
  std::mt19937_64 random_;
  std::map<std::uint16_t, std::unique_ptr<entry>> streams_;
};

/// A client's session of `count` streams with one application.
class our_client final : public our_host {
public:
  our_client(network& net, deliver_to deliver, std::uint64_t seed, protocol::profile wire,
             std::size_t count, const protocol::endpoint& us, const protocol::endpoint& them)
      : our_host(true, net, std::move(deliver), seed), wire_(wire), count_(count), us_(us),
        them_(them), next_port_(us.port) {}
  void submit(const datagram& data, time_point now) override;
  std::size_t open_streams() const;
  std::uint32_t handshakes() const { return handshakes_; }
  protocol::profile wire() const { return wire_; }

private:
  void connect(time_point now);
  void fill(time_point now);
  void on_stray(const protocol::segment_repr&, const datagram&, time_point) override {}
  void on_event(entry& e, const protocol::effect& what, time_point now) override;
  void flush(time_point now);

  protocol::profile wire_;
  std::size_t count_;
  protocol::endpoint us_, them_;
  std::uint16_t next_port_;
  std::uint16_t token_ = 0, token_port_ = 0;
  std::uint32_t handshakes_ = 0;
  int tries_ = 0;
  std::size_t turn_ = 0;
  std::deque<datagram> queue_;
};

/// A server for all profiles.
class our_server final : public our_host {
public:
  our_server(network& net, deliver_to deliver, std::uint64_t seed, std::uint16_t port);
  /// To all clients' sessions, on their first stream.
  void submit(const datagram& data, time_point now) override;
  void restart();
  void on_timer(time_point now) override;
  std::optional<time_point> deadline() const override;
  /// Sessions that ever had a datagram: each has a port at the upstream.
  std::uint64_t upstream_ports() const { return upstream_ports_; }
  std::size_t live_streams() const;
  std::size_t live_sessions() const { return sessions_.size(); }
  std::size_t of_profile(protocol::profile p) const;

private:
  struct session {
    bool had_datagram = false;
    std::uint16_t token = 0;
    protocol::ip_address address;
    std::shared_ptr<protocol::answer_limit> answers = std::make_shared<protocol::answer_limit>();
  };
  void on_stray(const protocol::segment_repr& in, const datagram& payload, time_point now) override;
  void on_event(entry& e, const protocol::effect& what, time_point now) override;
  void start();

  std::uint16_t port_;
  std::optional<protocol::legacy_groups> groups_;
  std::optional<protocol::syn_cookie> cookie_;
  std::optional<protocol::acceptor> acceptor_;
  std::map<std::uint64_t, session> sessions_;
  std::uint64_t next_session_ = 1;
  std::uint64_t upstream_ports_ = 0;
};

protocol::segment_repr as_received(const packet& p);

} // namespace tonel::sim
