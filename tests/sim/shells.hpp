#pragma once

#include "protocol/acceptor.hpp"
#include "protocol/legacy_groups.hpp"
#include "protocol/session/client_session.hpp"
#include "protocol/session/remote_addresses.hpp"
#include "protocol/session/server_session.hpp"
#include "protocol/session/stream_report.hpp"
#include "protocol/stream.hpp"
#include "tests/sim/network.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

// The shells around the machines of streams and sessions, like the actors of the programs. They
// have no rules about what to open, replace or close.
namespace tonel::sim {

using datagram = std::vector<std::uint8_t>;
using session_key = std::uint64_t;

protocol::segment_repr as_received(const packet& p);

/// The shells of streams, by the client's port: run effects, and pass reports to sessions.
class stream_shell {
public:
  virtual ~stream_shell() = default;
  stream_shell(const stream_shell&) = delete;
  stream_shell& operator=(const stream_shell&) = delete;

  void receive(const protocol::segment_repr& in, protocol::byte_view payload, time_point now);
  virtual void on_timer(time_point now);
  virtual std::optional<time_point> deadline() const;

  std::size_t streams() const { return streams_.size(); }
  std::size_t open_streams() const;
  std::uint64_t dropped(protocol::errc reason) const {
    return drops_[static_cast<std::size_t>(reason)];
  }

  datagram handshake_packet;

protected:
  struct entry {
    explicit entry(protocol::stream m) : machine(std::move(m)) {}
    protocol::stream machine;
    std::uint16_t port = 0;
    session_key session = 0;
    protocol::stream_number number = 0;
    protocol::port_lease lease;
    std::shared_ptr<protocol::stream_race> race;
    std::optional<time_point> ages_at, ends_at;
    std::vector<protocol::held_segment> held;
    std::vector<datagram> waiting; ///< server: datagrams that wait for the socket to the upstream
    bool ended = false;
    bool forgotten = false;
  };

  stream_shell(bool client, network& net, std::uint64_t seed)
      : client_(client), net_(net), random_(seed) {}
  entry& add(protocol::stream machine, std::uint16_t port, session_key session,
             protocol::stream_number number);
  entry* find(session_key session, protocol::stream_number number) const;
  void run(entry& e, const protocol::effects& list, const protocol::segment_repr* in,
           protocol::byte_view payload, time_point now);
  void give(entry& e, const protocol::segment_repr& in, protocol::byte_view payload,
            time_point now);
  void tell(session_key session, const protocol::tell_stream& order, time_point now);
  /// Keeps a report for the session of a stream.
  void report(const entry& e, protocol::stream_report::kind what, time_point now);
  /// Passes reports and ends of streams to sessions, until there are no more.
  void settle(time_point now);
  /// Sends a run of datagrams of this size; gives the number admitted.
  std::uint32_t send(entry& e, protocol::byte_view payload, std::uint32_t size, std::uint32_t count,
                     time_point now);
  void refuse(const protocol::segment_repr& in, time_point now);
  std::shared_ptr<const datagram> packet_to_send() const;

  virtual void on_stray(const protocol::segment_repr& in, protocol::byte_view payload,
                        time_point now) = 0;
  virtual void deliver(entry& e, protocol::byte_view data, std::uint32_t size, time_point now) = 0;
  virtual void on_report(session_key session, const protocol::stream_report& report,
                         time_point now) = 0;
  virtual void on_gone(session_key session, protocol::stream_number stream, time_point now) = 0;

  bool client_;
  network& net_;
  std::mt19937_64 random_;
  std::map<std::uint16_t, std::unique_ptr<entry>> streams_;
  std::deque<std::pair<session_key, protocol::stream_report>> reports_;
  std::array<std::uint64_t, protocol::errc_count> drops_{};
};

/// The sessions of one application at a client, one after the other.
class client_shell : public stream_shell, private protocol::client_resources {
public:
  /// us: ports count up from here
  client_shell(network& net, std::uint64_t seed, const protocol::client_session_config& config,
               const protocol::endpoint& us, const protocol::endpoint& them);
  void on_timer(time_point now) override;
  std::optional<time_point> deadline() const override;
  /// Opens a session, as the first datagram does.
  void connect(time_point now);
  void close(time_point now);
  /// Gives the machines these addresses of the remote's name.
  void resolve(const std::vector<protocol::endpoint>& found, time_point now);
  /// Answers when the client asks for the name, as it does when an address fails; null: nobody answers.
  std::function<std::vector<protocol::endpoint>()> name_server;

  /// Whether datagrams may be sent.
  bool alive() const;
  std::uint16_t current_port() const;
  protocol::profile wire() const;
  std::size_t announced() const { return announced_.size(); }
  /// The number of streams whose SYN was answered.
  std::uint32_t handshakes() const { return handshakes_; }
  std::uint32_t attempts() const { return attempts_; }
  /// The number of hellos received by all streams.
  std::uint32_t greetings() const { return greetings_; }
  std::uint32_t sessions() const { return sessions_made_; }
  const std::vector<protocol::session_remark>& remarks() const { return remarks_; }

protected:
  /// The stream for the next datagrams; null: hold them.
  entry* stream_for_sending(time_point now);
  void note_use(time_point now) { last_ = now; }
  /// The octets of held datagrams that may be sent now; 0: all.
  std::size_t room() const { return room_; }
  /// Called when held datagrams may be sent.
  virtual void flush(time_point now) = 0;

private:
  void start(time_point now);
  void run_effects(session_key of, const protocol::client_effects& effects, time_point now);
  void open(session_key of, const protocol::open_stream& how, time_point now);
  void on_stray(const protocol::segment_repr& in, protocol::byte_view payload,
                time_point now) override;
  void on_report(session_key session, const protocol::stream_report& report,
                 time_point now) override;
  void on_gone(session_key session, protocol::stream_number stream, time_point now) override;

  protocol::local_end take_local_end(const protocol::endpoint&) override;
  bool may_race(time_point) override { return true; }
  protocol::session_claims draw_claims() override;
  time_point last_datagram() const override { return last_; }
  protocol::remote_knowledge& remotes() override { return known_; }
  protocol::turns& endings() override { return turns_; }

  protocol::client_session_config config_;
  protocol::endpoint us_;
  protocol::remote_addresses them_{true, protocol::duration::zero()};
  protocol::acceptor acceptor_{protocol::acceptor_config{}}; ///< refuses segments of no stream
  protocol::remote_dialects known_;
  protocol::turns turns_{std::chrono::milliseconds{5}};
  std::map<session_key, std::unique_ptr<protocol::client_session>> sessions_;
  session_key current_ = 0; ///< the session for datagrams; 0: none yet
  std::vector<protocol::stream_number> announced_;
  std::size_t room_ = 0, turn_ = 0;
  time_point last_{};
  std::uint16_t next_port_;
  std::uint32_t handshakes_ = 0, attempts_ = 0, greetings_ = 0, sessions_made_ = 0;
  std::vector<protocol::session_remark> remarks_;
};

/// A server on one port, for clients of all dialects.
class server_shell : public stream_shell {
public:
  server_shell(network& net, std::uint64_t seed, std::uint16_t port, bool legacy);
  std::chrono::seconds idle_timeout{180}; ///< of later sessions
  /// Loses everything, even its secret, like a killed process.
  void restart();
  /// Stops or starts the process: without it the host answers everything by RST.
  void set_refusing(bool on);
  void on_timer(time_point now) override;
  std::optional<time_point> deadline() const override;

  /// The number of streams admitted.
  std::uint32_t accepted() const { return accepted_; }
  /// The number of sessions that ever had a datagram, each with a port at the upstream.
  std::uint64_t upstream_ports() const { return upstream_ports_; }
  std::size_t live_sessions() const;
  /// Whether some session has a stream.
  bool alive() const;
  std::size_t of_profile(protocol::profile p) const;

protected:
  struct session {
    explicit session(protocol::server_session_config config) : machine(std::move(config)) {}
    protocol::server_session machine;
    std::vector<protocol::stream_number> announced;
    bool has_upstream = false, retired = false;
    std::size_t turn = 0;
    protocol::session_id id{};
    std::uint16_t token = 0; ///< of a legacy group
    protocol::ip_address address;
    std::shared_ptr<protocol::answer_limit> answers;
  };
  /// A datagram for the upstream.
  virtual void to_upstream(session_key from, protocol::byte_view one) = 0;
  /// The stream of this session for the next datagrams; null: none.
  entry* stream_for_sending(session_key of);
  const std::map<session_key, std::unique_ptr<session>>& sessions() const { return sessions_; }

private:
  void start();
  void adopt(session_key of, const protocol::segment_repr& in, protocol::byte_view payload,
             const protocol::accept_stream& made, time_point now);
  void adopt(session_key of, const protocol::segment_repr& in, protocol::byte_view payload,
             const protocol::accept_legacy& made, time_point now);
  session_key session_of(const protocol::accept_stream& made);
  session_key session_of(const protocol::segment_repr& in, const protocol::accept_legacy& made);
  /// The segment that opens a stream, and the acceptor's result.
  struct request {
    const protocol::segment_repr& in;
    protocol::byte_view payload;
    const protocol::accept_stream* native = nullptr;
    const protocol::accept_legacy* older = nullptr;
  };
  void run_effects(session_key of, const protocol::server_effects& effects, time_point now,
                   const request* about = nullptr);
  void admit(session_key of, const protocol::admit_stream& how, const request& about,
             time_point now);
  void on_stray(const protocol::segment_repr& in, protocol::byte_view payload,
                time_point now) override;
  void deliver(entry& e, protocol::byte_view data, std::uint32_t size, time_point now) override;
  void on_report(session_key key, const protocol::stream_report& report, time_point now) override;
  void on_gone(session_key key, protocol::stream_number stream, time_point now) override;

  std::uint16_t port_;
  bool legacy_, refusing_ = false;
  std::optional<protocol::legacy_groups> groups_;
  std::optional<protocol::syn_cookie> cookie_;
  std::optional<protocol::acceptor> acceptor_;
  protocol::turns turns_{std::chrono::milliseconds{5}};
  std::map<session_key, std::unique_ptr<session>> sessions_;
  session_key latest_ = 0;
  std::uint32_t accepted_ = 0;
  std::uint64_t upstream_ports_ = 0;
};

} // namespace tonel::sim
