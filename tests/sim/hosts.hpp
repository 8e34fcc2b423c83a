#pragma once

#include "protocol/acceptor.hpp"
#include "protocol/session_proof.hpp"
#include "protocol/stream.hpp"
#include "tests/sim/network.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

namespace tonel::sim {

/// Datagrams that know what they are: number, size and contents can be checked where they arrive.
class traffic {
public:
  /// The next datagram's octets; size 0 or at least 8.
  std::vector<std::uint8_t> make(std::size_t size);
  void arrived(protocol::byte_view datagram);

  std::uint64_t made = 0;     ///< by the application
  std::uint64_t sent = 0;     ///< handed to the network
  std::uint64_t received = 0; ///< copies included
  std::uint64_t altered = 0;
  std::uint64_t reordered = 0; ///< after a later one
  std::uint64_t repeated = 0;  ///< more than once

private:
  std::vector<std::uint32_t> sizes_;
  std::vector<std::uint8_t> times_;
  std::uint64_t latest_ = 0;
};

/// What both ends' shells have in common: streams by the client's port, and their effects run.
class host {
public:
  host(bool client, network& net, traffic& out, traffic& in);
  virtual ~host() = default;

  /// What arrived at one instant; `merge` does as GRO does.
  void receive(std::vector<packet> packets, bool merge, time_point now);
  /// The application sends `count` datagrams of `size` octets.
  void submit(std::size_t size, std::uint32_t count, time_point now);
  virtual void on_timer(time_point now);
  virtual std::optional<time_point> deadline() const;
  void close(time_point now);

  bool alive() const { return current_ != nullptr && current_->machine.is_open(); }
  std::size_t streams() const { return streams_.size(); }
  std::uint16_t current_port() const { return current_ ? current_->port : std::uint16_t{0}; }
  std::uint64_t dropped(protocol::errc reason) const {
    return drops_[static_cast<std::size_t>(reason)];
  }
  std::uint64_t held_back() const { return queue_.size(); }

protected:
  struct entry {
    protocol::stream machine;
    std::uint16_t port;
    std::uint64_t counter = 0; ///< of its hello
    bool greeted = false;
    bool forgotten = false;
    std::vector<protocol::held_segment> held;
  };
  void run(entry& e, const protocol::effects& list, const protocol::segment_repr* in,
           protocol::byte_view payload, time_point now);
  void give(entry& e, const protocol::segment_repr& in, protocol::byte_view payload,
            time_point now);
  entry& add(protocol::stream machine, std::uint16_t port, std::uint64_t counter = 0);
  void sweep();
  void flush(time_point now);
  virtual void on_stray(const protocol::segment_repr& in, protocol::byte_view payload,
                        time_point now) = 0;
  virtual void on_event(entry&, const protocol::effect&, time_point) {}

  bool client_;
  bool closing_ = false;
  network& net_;
  traffic& out_;
  traffic& in_;
  std::unordered_map<std::uint16_t, std::unique_ptr<entry>> streams_;
  entry* current_ = nullptr;
  std::deque<std::vector<std::uint8_t>> queue_; ///< until a stream is open
  std::array<std::uint64_t, protocol::errc_count> drops_{};
};

/// One session of a client: replaces its stream as sessions do.
class client_host : public host {
public:
  client_host(std::uint64_t seed, network& net, traffic& out, traffic& in,
              std::size_t handshake_packet);
  void connect(time_point now);
  std::uint32_t handshakes() const { return handshakes_; }
  /// Of all streams, how often the peer's hello was read.
  std::uint32_t greetings() const { return greetings_; }

private:
  void on_stray(const protocol::segment_repr& in, protocol::byte_view payload,
                time_point now) override;
  void on_event(entry& e, const protocol::effect& what, time_point now) override;

  std::mt19937_64 random_;
  protocol::acceptor acceptor_;
  protocol::session_claims claims_;
  std::shared_ptr<const std::vector<std::uint8_t>> handshake_packet_;
  std::uint16_t next_port_ = 40'000;
  std::uint32_t handshakes_ = 0;
  std::uint32_t greetings_ = 0;
};

/// A server with one session.
class server_host : public host {
public:
  server_host(std::uint64_t seed, network& net, traffic& out, traffic& in);
  /// Loses everything, its secret too, as a process that was killed.
  void restart();
  void on_timer(time_point now) override;
  std::optional<time_point> deadline() const override;
  std::uint32_t accepted() const { return accepted_; }

private:
  void on_stray(const protocol::segment_repr& in, protocol::byte_view payload,
                time_point now) override;
  void on_event(entry& e, const protocol::effect& what, time_point now) override;
  protocol::acceptor make_acceptor();
  /// The hello may open a stream; else the reason is counted.
  bool admit(const protocol::hello_repr& hello);

  std::mt19937_64 random_;
  protocol::acceptor acceptor_;
  std::optional<protocol::session_proof> proof_; ///< of the session
  std::uint32_t accepted_ = 0;
};

} // namespace tonel::sim
