#pragma once

#include "actors/root/assembly.hpp"
#include "actors/root/host.hpp"
#include "actors/root/reloading.hpp"
#include "actors/runtime/log.hpp"
#include "actors/shard/shard.hpp"
#include "protocol/packet.hpp"
#include "system/decorators/packet_capture.hpp"
#include "system/fake/memory_devices.hpp"
#include "system/fake/memory_direct_path.hpp"
#include "system/fake/memory_service_manager.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

// A whole client and a whole server in memory, on one thread and in virtual time: each reactor
// makes passes until none has anything to do, then time jumps to the next deadline.
namespace tonel::test {

using actors::counter;
using octets = std::vector<std::uint8_t>;

inline octets bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

/// An event loop whose time is the world's and whose wait never blocks.
class virtual_loop final : public sys::event_loop {
public:
  explicit virtual_loop(const protocol::time_point& time) : time_(time), now_(time), wheel_(time) {}
  sys::result<void> watch(int fd, sys::interest what, std::uint64_t token) override;
  sys::result<void> change(int fd, sys::interest what, std::uint64_t token) override;
  void forget(int fd) noexcept override { watched_.erase(fd); }
  std::size_t wait(sys::ready_event* out, std::size_t capacity, protocol::duration limit) override;
  void wake() noexcept override { woken_ = true; }
  protocol::time_point now() const noexcept override { return now_; }
  void rest(protocol::duration) noexcept override {}
  bool resumed() noexcept override { return false; }
  sys::timer_wheel& timers() noexcept override { return wheel_; }

  /// The last wait found nothing to do.
  bool idle() const noexcept { return idle_; }
  /// A message was queued since the last wait.
  bool woken() const noexcept { return woken_; }
  bool watches(int fd) const { return watched_.count(fd) != 0; }

private:
  const protocol::time_point& time_;
  protocol::time_point now_;
  sys::timer_wheel wheel_;
  std::map<int, std::uint64_t> watched_;
  std::atomic<bool> woken_{false};
  bool idle_ = false;
};

/// A socket in memory whose next receive or send can be made to fail.
class socket final : public sys::datagram_socket {
public:
  sys::memory_datagram_socket memory;
  bool receive_fails = false;
  bool send_throws = false;
  protocol::endpoint peer; ///< of an upstream

  int fd() const noexcept override { return memory.fd(); }
  sys::result<sys::read_state> receive(sys::slab_writer& slabs,
                                       std::vector<sys::received_datagrams>& out,
                                       std::size_t max) override;
  sys::send_tally send(const std::vector<sys::outgoing_run>& runs,
                       const std::vector<sys::chunk>& chunks) override;
  std::uint64_t receive_errors() const noexcept override { return 0; }
  int take_error() noexcept override {
    return refused_now_ ? std::exchange(refused_now_, 0) : memory.take_error();
  }
  std::uint16_t local_port() const noexcept override { return memory.port; }

  /// Lets the next receive() find an error and no datagram, as after an ICMP of the peer's host.
  void refuse();
  /// The sent datagrams.
  std::vector<std::string> texts() const;

private:
  bool refused_ = false;
  int refused_now_ = 0; ///< for take_error()
};

class world;

/// A process, assembled on a host in memory.
class process {
public:
  process(world& w, const actors::config& settings, std::size_t slabs, protocol::duration watchdog);

  void start();
  void signal(int number);
  /// SIGHUP, with the tunnels that the files have then.
  void reload(const actors::reload_result& found);
  const actors::tunnel_ptr& tunnel() const { return tunnel_; }
  void host_answers();
  /// Whether no actor is left.
  bool ended() { return actors_running() == 0; }
  std::size_t actors_running() { return assembly_->actors_running(); }
  std::uint64_t count(counter c) const;
  std::uint64_t count(protocol::errc e) const;
  actors::shard& shard(std::size_t i) { return assembly_->shard(i); }
  sys::slab_pool& pool(std::size_t i) { return shard(i).pool; }
  virtual_loop& loop(std::size_t i) { return *loops_[i]; }
  actors::counter_list counters() const { return assembly_->counts(); }
  /// Server: the legacy groups.
  const actors::group_registry& groups() const { return assembly_->context().groups->of_port(443); }

  /// The application at 10.0.0.1:port sends a datagram to 10.0.0.2, on the socket of a shard.
  void app_sends(std::uint16_t port, const std::string& text, std::size_t shard = 0);
  /// The same with a run of datagrams of one size.
  void app_sends_run(std::uint16_t port, const std::string& text, std::uint32_t size,
                     std::size_t shard = 0);
  static sys::datagram_path app(std::uint16_t port);
  /// The datagrams that this application has received.
  std::vector<std::string> app_got(std::uint16_t port) const;

  std::vector<std::unique_ptr<sys::memory_packet_device>> tuns;
  /// The capture's file is only written at its end.
  sys::packet_capture capture{{"world", "tun", std::chrono::hours{1}}};
  std::vector<std::shared_ptr<socket>> listeners; ///< client, in order of opening
  bool listen_fails = false;
  std::vector<std::shared_ptr<socket>> upstreams; ///< server, in order of opening
  std::function<sys::result<std::shared_ptr<sys::datagram_socket>>()> instead_of_upstream;
  /// The place of the next fault of an actor without datagrams. Other actors, and the sockets to
  /// the upstream (place "endpoint"), fail at a datagram that reads "tonel-fault:PLACE".
  std::string fault_place;
  std::function<std::vector<actors::service>(actors::reactor&)> services;
  bool with_rules = false;                   ///< with a firewall actor, on a host without failures
  std::vector<sys::rule_request> rules_made; ///< requests to that host
  /// Client on the direct path: what its host says of the ways to remotes, and who has its packets.
  bool is_direct = false;
  std::vector<sys::host_way> ways{way_from(10)};
  static sys::host_way way_from(std::uint8_t last); ///< 10.1.0.last, to the server
  /// They are others now.
  void ways_are(std::vector<sys::host_way> now);
  sys::memory_direct_path direct;
  /// What the host's own TCP has, by local port.
  struct own_tcp final : sys::host_tcp {
    bool has(const protocol::four_tuple& t) override { return busy && busy(t); }
    std::function<bool(const protocol::four_tuple&)> busy;
  } tcp;
  /// Questions about rules and files of a reload are not answered until host_answers().
  bool host_hangs = false;
  std::vector<protocol::endpoint>
      addresses; ///< of the remote's name; empty: its address in this world
  bool resolver_hangs = false;
  int resolve_failures = 0; ///< number of failures to come
  int resolve_calls = 0;
  int reports = 0;
  bool report_throws = false;
  int reopened = 0; ///< times that the log file was opened again
  sys::memory_service_manager service;
  std::shared_ptr<actors::session_memory> memory; ///< client
  std::optional<std::size_t> stuck; ///< this loop makes no passes; the last is the control loop
  std::atomic<int> exit_code{-1};
  bool connected = true; ///< false: the network loses all its packets, both ways

private:
  friend class world;
  actors::host give();
  sys::result<std::shared_ptr<sys::datagram_socket>>
  open_upstream(const protocol::endpoint& address);
  sys::result<actors::tunnel_sockets> listen();
  void resolve(const actors::tunnel_ptr& tunnel, const caf::actor& asker);
  void from_host(std::function<void()> answer);
  void provoke(const std::string& place, protocol::byte_view datagrams);

  world& world_;
  actors::config settings_;
  std::size_t slabs_;
  actors::tunnel_ptr tunnel_; ///< the first tunnel
  actors::reload_result next_reload_;
  std::vector<std::function<void()>> unanswered_;
  actors::firewall_start firewall_;
  std::vector<virtual_loop*> loops_; ///< of the shards, then of the control loop
  std::unique_ptr<sys::readiness> signal_ready_, routes_ready_;
  std::vector<int> signals_;
  std::mt19937_64 random_;
  std::unique_ptr<actors::assembly> assembly_;
  std::vector<actors::reactor*> reactors_; ///< its loops
};

/// A packet from one process to the other.
struct traced {
  bool from_client = false;
  protocol::segment_header header;
  octets payload;
  std::uint32_t datagram_size = 0;
  bool lost = false;
  bool has(std::uint8_t flags) const { return (header.flags & flags) == flags; }
};

/// Another program in place of the server.
class stand_in {
public:
  virtual ~stand_in() = default;
  /// One segment, never a super-segment.
  virtual void receive(const protocol::segment_repr& in, const octets& payload) = 0;
  virtual void on_timer() {}
  virtual std::optional<protocol::time_point> deadline() const { return std::nullopt; }
};

struct world_options {
  std::size_t client_shards = 1;
  std::size_t server_shards = 1;
  std::size_t slabs = 64;
  std::size_t streams = 1;
  actors::wire_choice wire = actors::wire_choice::automatic;
  std::size_t upstream_ports = 1;
  std::chrono::seconds client_deadline{0}, server_deadline{0}; ///< --deadline; 0: none
  std::string client_packet, server_packet;                    ///< handshake packets; empty: none
  std::string key; ///< XOR key of both ends; empty: none
  bool accept_native = true, accept_legacy = true;
  actors::limits client_bounds;
  actors::limits server_bounds;
  std::chrono::seconds idle_timeout{180};
  std::chrono::seconds keepalive{20};
  protocol::duration watchdog{}; ///< interval of the client's service manager; zero: none
  std::vector<protocol::endpoint> client_addresses, server_addresses; ///< as process::addresses
  int client_resolve_failures = 0; ///< number of failures at first
  bool client_rules = false;       ///< the client has a firewall actor
  bool client_host_hangs = false;
  bool client_direct = false; ///< the client is on the direct path, on a host with process::ways
  std::shared_ptr<actors::session_memory> client_memory; ///< of all clients; null: each its own
  /// The client's services, spawned on the given reactor.
  std::function<std::vector<actors::service>(actors::reactor&)> client_services;
  /// The server's likewise.
  std::function<std::vector<actors::service>(actors::reactor&)> server_services;
};

/// Another host on the network, with its own address.
class host {
public:
  using segment = sys::memory_packet_device::written_segment;
  virtual ~host() = default;
  virtual void receive(const segment& s) = 0;
  virtual void on_timer() = 0;
  virtual std::optional<protocol::time_point> deadline() const = 0;
};

class world {
public:
  explicit world(const world_options& options = {});
  ~world();

  /// Lets all reactors make passes until none has anything to do.
  void run();
  /// Lets time pass, deadline by deadline.
  void pass(protocol::duration d);
  /// Lets time pass until `done` is true; false: not within `limit`.
  bool until(const std::function<bool()>& done, protocol::duration limit);

  /// Replaces a process by a new one. It stops as at SIGTERM, but the network loses its last
  /// packets.
  void restart_server();
  void restart_client();

  process& client() { return *client_; }
  process& server() { return *server_; }
  /// The texts that each socket to the upstream has sent, in order of opening.
  std::vector<std::string> upstream_got() const;
  /// Sends a datagram there and back through a working tunnel.
  void echo(std::uint16_t port, const std::string& text);
  std::vector<traced> sent_with(std::uint8_t flags, bool from_client) const;
  /// Delivers the server's packets to this address to the host.
  void attach(const protocol::ip_address& address, host& h) { hosts_.push_back({address, &h}); }
  void detach(const host& h);
  /// A packet from an attached host to the server.
  void send(const host::segment& s);

  protocol::time_point now{std::chrono::seconds{1'000}};
  std::vector<traced> trace;
  /// True: the packet is lost.
  std::function<bool(const traced&)> lose;
  /// If set, receives the client's packets in place of the server.
  stand_in* instead_of_server = nullptr;
  /// A packet from there to the client.
  void answer(const protocol::segment_header& header, const octets& payload);
  /// The queue that a packet arrives on; by default the queue that last wrote to the tuple.
  std::function<std::size_t(const traced&)> queue_of;

private:
  friend class process;
  bool step();
  void deliver(traced t, process* to, const host::segment& segment);
  void carry(process& from, std::size_t queue,
             const sys::memory_packet_device::written_segment& segment);
  void to_stand_in(const traced& t);
  std::size_t arrival_queue(const traced& t) const;
  void kill(std::unique_ptr<process>& p);
  std::unique_ptr<process> make_client();
  std::unique_ptr<process> make_server();

  world_options options_;
  std::map<std::pair<bool, std::string>, std::size_t> last_writer_; ///< indexed by end and tuple
  std::vector<std::pair<protocol::ip_address, host*>> hosts_;
  std::unique_ptr<process> client_, server_;
};

/// The level of the log from now on.
void log_at(actors::log_level level);

/// Keeps the lines logged since it was made.
class log_tail {
public:
  log_tail();
  std::vector<std::string> lines() const;
  std::size_t matching(const std::string& part) const;

private:
  std::size_t from_;
};

} // namespace tonel::test
