#pragma once

#include "protocol/acceptor.hpp"
#include "protocol/legacy_groups.hpp"
#include "protocol/session/client_session.hpp"
#include "protocol/session/server_session.hpp"
#include "protocol/session/stream_report.hpp"
#include "protocol/stream.hpp"
#include "tests/sim/network.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

// The shells around our machines, streams' and sessions', as the actors are in the programs: no rule of
// what to open, to replace or to close is here.
namespace tonel::sim {

using datagram = std::vector<std::uint8_t>;
using session_key = std::uint64_t;

protocol::segment_repr as_received(const packet& p);

/// Streams by the client's port, with their effects run and what they report given to their sessions.
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
    std::vector<datagram> waiting; ///< server: for the socket to the upstream
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
  /// What a session is to hear after this.
  void report(const entry& e, protocol::stream_report::kind what, time_point now);
  /// Tells sessions what their streams have reported and which of them are gone, until there is no more.
  void settle(time_point now);
  /// One run of datagrams of this size; how many of them were taken.
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

/// One application's sessions at a client, one after the other.
class client_shell : public stream_shell, private protocol::client_resources {
public:
  /// us: the port counts up from here
  client_shell(network& net, std::uint64_t seed, const protocol::client_session_config& config,
               const protocol::endpoint& us, const protocol::endpoint& them);
  void on_timer(time_point now) override;
  std::optional<time_point> deadline() const override;
  /// As the first datagram does.
  void connect(time_point now);
  void close(time_point now);
  /// The remote's name has another address from now on.
  void resolve(const protocol::endpoint& them, time_point now);

  /// Datagrams may be sent.
  bool alive() const;
  std::uint16_t current_port() const;
  protocol::profile wire() const;
  std::size_t announced() const { return announced_.size(); }
  /// Streams that got an answer to their SYN; attempts that did not are none.
  std::uint32_t handshakes() const { return handshakes_; }
  std::uint32_t attempts() const { return attempts_; }
  /// Of all streams, how often the peer's hello was read.
  std::uint32_t greetings() const { return greetings_; }
  std::uint32_t sessions() const { return sessions_made_; }
  const std::vector<protocol::session_remark>& remarks() const { return remarks_; }

protected:
  /// The stream that the next datagrams go to; null: they are to be held, and are announced.
  entry* stream_for_sending(time_point now);
  void note_use(time_point now) { last_ = now; }
  /// Octets of what is held that may go now; 0: all.
  std::size_t room() const { return room_; }
  /// What is held may go.
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

  protocol::port_lease take_port() override;
  bool may_race(time_point) override { return true; }
  protocol::session_claims draw_claims() override;
  time_point last_datagram() const override { return last_; }
  protocol::remote_knowledge& remotes() override { return known_; }
  protocol::turns& endings() override { return turns_; }

  protocol::client_session_config config_;
  protocol::endpoint us_, them_;
  protocol::acceptor acceptor_{protocol::acceptor_config{}}; ///< refuses strangers
  protocol::remote_dialects known_;
  protocol::turns turns_{std::chrono::milliseconds{5}};
  std::map<session_key, std::unique_ptr<protocol::client_session>> sessions_;
  session_key current_ = 0; ///< the session that datagrams are for; 0: none yet
  std::vector<protocol::stream_number> announced_;
  std::size_t room_ = 0, turn_ = 0;
  time_point last_{};
  std::uint16_t next_port_;
  std::uint32_t handshakes_ = 0, attempts_ = 0, greetings_ = 0, sessions_made_ = 0;
  std::vector<protocol::session_remark> remarks_;
};

/// A server of one port, for clients of all dialects.
class server_shell : public stream_shell {
public:
  server_shell(network& net, std::uint64_t seed, std::uint16_t port, bool legacy);
  std::chrono::seconds idle_timeout{180}; ///< of sessions that come from now on
  /// Loses everything, its secret too, as a process that was killed.
  void restart();
  /// The process is gone, or back: without it the host answers all by RST.
  void set_refusing(bool on);
  void on_timer(time_point now) override;
  std::optional<time_point> deadline() const override;

  /// Streams that were taken.
  std::uint32_t accepted() const { return accepted_; }
  /// Sessions that ever had a datagram: each has a port at the upstream.
  std::uint64_t upstream_ports() const { return upstream_ports_; }
  std::size_t live_sessions() const;
  /// Some session has a stream.
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
    std::uint16_t token = 0; ///< of an older client's group
    protocol::ip_address address;
    std::shared_ptr<protocol::answer_limit> answers;
  };
  /// A datagram for the upstream.
  virtual void to_upstream(session_key from, protocol::byte_view one) = 0;
  /// The stream of that session that the next datagrams go to; null: none does.
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
  /// The segment that it may be about, and what the acceptor made of it.
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
