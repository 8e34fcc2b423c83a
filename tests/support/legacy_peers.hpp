#pragma once

#include "protocol/packet.hpp"
#include "protocol/time.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

// Small models of tonel 0.6.1 and phantun, client and server, as in docs/legacy.md: their packets,
// timers, and the faults that show on the wire. Independent of the code under test.
namespace tonel::test {

using datagram = std::vector<std::uint8_t>;

/// The outputs of a model.
struct legacy_world {
  std::function<void(const protocol::segment_header&, const datagram&)> send;
  std::function<void(const datagram&)> deliver; ///< passes a datagram to its UDP side
};

struct legacy_options {
  protocol::endpoint us;   ///< a client's ports count up from here
  protocol::endpoint them; ///< client: the server
  datagram handshake_packet;
  int connections = 1; ///< of tonel's client
};

/// One connection of either program, at either end.
class legacy_connection {
public:
  enum class state : std::uint8_t { syn_sent, syn_received, established, closed };

  legacy_connection(bool phantun, bool client, const protocol::four_tuple& tuple, std::uint32_t syn,
                    legacy_world& world, protocol::time_point now);
  void open(protocol::time_point now);
  /// Takes payload for the application, even empty.
  std::optional<datagram> receive(const protocol::segment_repr& in, const datagram& payload,
                                  protocol::time_point now);
  void send(const datagram& payload, protocol::time_point now);
  void on_timer(protocol::time_point now);
  std::optional<protocol::time_point> deadline() const;
  /// Drops the connection like the program: by one RST.
  void drop();

  bool established() const { return state_ == state::established; }
  bool closed() const { return state_ == state::closed; }
  std::uint32_t syn_seq() const { return syn_; }
  /// A token, read as 16 bits; larger numbers count as none.
  std::uint32_t group() const { return syn_ <= 65'535 ? syn_ : 0; }
  std::uint32_t syn_ack_seq() const { return syn_ack_; }
  const protocol::four_tuple& tuple() const { return tuple_; }
  bool awaits_packet = false; ///< tonel: the first payload is dropped
  bool counted = false;       ///< the program has noticed that it is established
  std::uint64_t owner = 0;    ///< server: its group, and so its port at the upstream

private:
  void emit(std::uint8_t flags, std::uint32_t seq, std::uint32_t ack, const datagram& payload = {});
  std::optional<datagram> established_tonel(const protocol::segment_repr& in,
                                            const datagram& payload, protocol::time_point now);
  std::optional<datagram> established_phantun(const protocol::segment_repr& in,
                                              const datagram& payload, protocol::time_point now);
  void establish(protocol::time_point now);

  bool phantun_, client_;
  protocol::four_tuple tuple_;
  std::uint32_t syn_, syn_ack_ = 0;
  std::uint32_t seq_ = 0, ack_ = 0, last_ack_ = 0;
  legacy_world& world_;
  state state_;
  protocol::time_point at_{}; ///< the next timer
  int tries_ = 0;             ///< phantun: tries of the handshake
  int lost_rounds_ = 0;       ///< tonel: timeouts within one receive call
  bool waiting_ = false;      ///< tonel: a probe is under way
};

/// The common interface of clients and servers of both programs for tests.
class legacy_program {
public:
  legacy_program(bool phantun, bool client, const legacy_options& options, legacy_world world)
      : phantun_(phantun), client_(client), options_(options), world_(std::move(world)) {}
  virtual ~legacy_program() = default;
  legacy_program(const legacy_program&) = delete;
  legacy_program& operator=(const legacy_program&) = delete;

  void receive(const protocol::segment_repr& in, const datagram& payload, protocol::time_point now);
  /// The UDP side sends a datagram.
  virtual void submit(const datagram& payload, protocol::time_point now) = 0;
  virtual void on_timer(protocol::time_point now);
  virtual std::optional<protocol::time_point> deadline() const;
  /// Kills the program and starts it again.
  virtual void restart() { connections_.clear(); }

  std::size_t live() const;
  std::uint64_t opened() const { return opened_; }

protected:
  legacy_connection& add(const protocol::four_tuple& tuple, std::uint32_t syn,
                         protocol::time_point now);
  virtual void on_syn(const protocol::segment_repr&, protocol::time_point) {}
  virtual void established(legacy_connection& c, protocol::time_point now) = 0;
  virtual void payload(legacy_connection& c, const datagram& data, protocol::time_point now) = 0;
  /// A connection was closed: closes what depends on it.
  virtual void lost(legacy_connection&, protocol::time_point) {}
  void sweep(protocol::time_point now);

  bool phantun_, client_;
  legacy_options options_;
  legacy_world world_;
  std::map<std::uint16_t, std::unique_ptr<legacy_connection>>
      connections_; ///< by the client's port
  std::uint64_t opened_ = 0;
};

/// A client with one application.
class legacy_client final : public legacy_program {
public:
  legacy_client(bool phantun, const legacy_options& options, legacy_world world)
      : legacy_program(phantun, true, options, std::move(world)), port_(options.us.port) {}
  void submit(const datagram& payload, protocol::time_point now) override;
  void on_timer(protocol::time_point now) override;
  std::optional<protocol::time_point> deadline() const override;
  void restart() override;
  /// The local port of the next connection; counts up by itself.
  void set_port(std::uint16_t port) { port_ = port; }
  std::uint64_t reconnects() const { return groups_ - 1; }

private:
  void connect(std::uint32_t syn, protocol::time_point now);
  void established(legacy_connection& c, protocol::time_point now) override;
  void payload(legacy_connection& c, const datagram& data, protocol::time_point now) override;
  void lost(legacy_connection& c, protocol::time_point now) override;
  void cancel();

  std::uint16_t port_;
  std::optional<datagram> first_;
  std::size_t turn_ = 0;
  std::uint64_t groups_ = 0;
  protocol::time_point idle_at_{};
};

/// A server. Its upstream answers the port of the last datagram.
class legacy_server final : public legacy_program {
public:
  legacy_server(bool phantun, const legacy_options& options, legacy_world world)
      : legacy_program(phantun, false, options, std::move(world)) {}
  void submit(const datagram& payload, protocol::time_point now) override;
  void restart() override;
  /// The number of groups ever opened, each a client for the upstream.
  std::uint64_t upstream_ports() const { return groups_; }
  std::uint64_t refused_joins() const { return refused_joins_; }

private:
  void on_syn(const protocol::segment_repr& in, protocol::time_point now) override;
  void established(legacy_connection& c, protocol::time_point now) override;
  void payload(legacy_connection& c, const datagram& data, protocol::time_point now) override;
  void lost(legacy_connection& c, protocol::time_point now) override;

  std::map<std::uint32_t, std::uint64_t> tokens_; ///< groups whose first connection exists
  std::uint64_t heard_ = 0;                       ///< group of the last datagram
  std::size_t turn_ = 0;
  std::uint64_t groups_ = 0, refused_joins_ = 0;
};

} // namespace tonel::test
