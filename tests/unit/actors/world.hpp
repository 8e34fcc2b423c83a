#pragma once

#include "actors/root/assembly.hpp"
#include "actors/root/host.hpp"
#include "actors/root/reloading.hpp"
#include "actors/shard/shard.hpp"
#include "protocol/packet.hpp"
#include "system/decorators/packet_capture.hpp"
#include "system/fake/memory_devices.hpp"
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

// A whole client and a whole server in memory, on one thread and in virtual time: every reactor is
// stepped in turn until nothing is left to do, then time jumps to the next deadline.
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
  /// Somebody has queued something since the last wait.
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

/// A memory socket whose next receive or send can be made to fail.
class socket final : public sys::datagram_socket {
public:
  sys::memory_datagram_socket memory;
  bool receive_fails = false;
  bool send_throws = false;

  int fd() const noexcept override { return memory.fd(); }
  sys::result<sys::read_state> receive(sys::slab_writer& slabs,
                                       std::vector<sys::received_datagrams>& out,
                                       std::size_t max) override;
  sys::send_tally send(const std::vector<sys::outgoing_run>& runs,
                       const std::vector<sys::chunk>& chunks) override;
  std::uint64_t receive_errors() const noexcept override { return 0; }

  /// What was sent, cut into datagrams.
  std::vector<std::string> texts() const;
};

class world;

/// One process, assembled on a host in memory.
class process {
public:
  process(world& w, const actors::config& settings, std::size_t slabs, protocol::duration watchdog);

  void start();
  void signal(int number);
  /// SIGHUP, and what the files say then.
  void reload(const actors::reload_result& found);
  const actors::tunnel_ptr& tunnel() const { return tunnel_; }
  void host_answers();
  /// No actor is left.
  bool ended() { return actors_running() == 0; }
  std::size_t actors_running() { return assembly_->actors_running(); }
  std::uint64_t count(counter c) const;
  std::uint64_t count(protocol::errc e) const;
  actors::shard& shard(std::size_t i) { return assembly_->shard(i); }
  sys::slab_pool& pool(std::size_t i) { return shard(i).pool; }
  virtual_loop& loop(std::size_t i) { return *loops_[i]; }
  actors::counter_list counters() const { return assembly_->counts(); }
  /// Server: of older clients.
  const actors::group_registry& groups() const { return assembly_->context().groups->of_port(443); }

  /// What the application at 10.0.0.1:port sends to 10.0.0.2, on that shard's socket.
  void app_sends(std::uint16_t port, const std::string& text, std::size_t shard = 0);
  /// A run of datagrams of one size.
  void app_sends_run(std::uint16_t port, const std::string& text, std::uint32_t size,
                     std::size_t shard = 0);
  static sys::datagram_path app(std::uint16_t port);
  /// Datagrams that this application got.
  std::vector<std::string> app_got(std::uint16_t port) const;

  std::vector<std::unique_ptr<sys::memory_packet_device>> tuns;
  /// Nothing is written to the file before its end.
  sys::packet_capture capture{{"world", "tun", std::chrono::hours{1}}};
  std::vector<std::shared_ptr<socket>> listeners; ///< client, in order of opening
  bool listen_fails = false;
  std::vector<std::shared_ptr<socket>> upstreams; ///< server, in order of opening
  std::function<sys::result<std::shared_ptr<sys::datagram_socket>>()> instead_of_upstream;
  /// Where the next fault is to be of an actor that sees no datagrams; those that do, and the upstreams'
  /// sockets, fail at one that reads "tonel-fault:PLACE", of the place "endpoint" for a socket.
  std::string fault_place;
  std::function<std::vector<actors::service>(actors::reactor&)> services;
  bool with_rules = false; ///< there is a firewall actor, on a host where all works
  std::vector<sys::rule_request> rules_made; ///< what it asked of that host
  /// Rules and the files of a reload are asked for without an answer, until host_answers().
  bool host_hangs = false;
  int resolve_failures = 0; ///< the next so many fail
  int resolve_calls = 0;
  int reports = 0;
  bool report_throws = false;
  int reopened = 0; ///< the log's file
  sys::memory_service_manager service;
  std::optional<std::size_t> stuck; ///< this loop does not go round; the last is the control loop
  std::atomic<int> exit_code{-1};
  bool connected = true; ///< false: what it writes is lost and nothing reaches it

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
  actors::tunnel_ptr tunnel_; ///< the first
  actors::reload_result next_reload_;
  std::vector<std::function<void()>> unanswered_;
  actors::firewall_start firewall_;
  std::vector<virtual_loop*> loops_; ///< of the shards, then the control loop's
  std::unique_ptr<sys::readiness> signal_ready_;
  std::vector<int> signals_;
  std::mt19937_64 random_;
  std::unique_ptr<actors::assembly> assembly_;
  std::vector<actors::reactor*> reactors_; ///< its loops
};

/// A packet that went from one process to the other.
struct traced {
  bool from_client = false;
  protocol::segment_header header;
  octets payload;
  std::uint32_t datagram_size = 0;
  bool lost = false;
  bool has(std::uint8_t flags) const { return (header.flags & flags) == flags; }
};

/// A program that is not ours at the server's place.
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
  std::chrono::seconds client_deadline{0}, server_deadline{0}; ///< of a stream; 0: none
  std::string client_packet, server_packet; ///< ahead of each stream's direction; empty: none
  std::string key;                          ///< of both; empty: none
  bool accept_native = true, accept_legacy = true;
  actors::limits client_bounds;
  actors::limits server_bounds;
  std::chrono::seconds idle_timeout{180};
  std::chrono::seconds keepalive{20};
  protocol::duration watchdog{};   ///< the service manager's, of the client; zero: none
  int client_resolve_failures = 0; ///< the first so many tries fail
  bool client_rules = false;       ///< it has a firewall actor
  bool client_host_hangs = false;
  /// The client's, spawned on the reactor that is given.
  std::function<std::vector<actors::service>(actors::reactor&)> client_services;
};

/// Another host of the network, with an address of its own.
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

  /// Steps all reactors until none has anything to do.
  void run();
  /// Lets time pass, deadline by deadline.
  void pass(protocol::duration d);
  /// Lets time pass until `done` says so; false: it does not within `limit`.
  bool until(const std::function<bool()>& done, protocol::duration limit);

  /// The process stops as it does at SIGTERM, but nobody hears of it; then a new one is there.
  void restart_server();
  void restart_client();

  process& client() { return *client_; }
  process& server() { return *server_; }
  /// The texts that each upstream socket got, all sockets in order of opening.
  std::vector<std::string> upstream_got() const;
  /// One datagram there and back through a working tunnel.
  void echo(std::uint16_t port, const std::string& text);
  std::vector<traced> sent_with(std::uint8_t flags, bool from_client) const;
  /// What the server writes to this address goes there.
  void attach(const protocol::ip_address& address, host& h) { hosts_.push_back({address, &h}); }
  void detach(const host& h);
  /// From an attached host to the server.
  void send(const host::segment& s);

  protocol::time_point now{std::chrono::seconds{1'000}};
  std::vector<traced> trace;
  /// True: the packet is lost.
  std::function<bool(const traced&)> lose;
  /// Gets what the client sends, if set.
  stand_in* instead_of_server = nullptr;
  /// From there to the client.
  void answer(const protocol::segment_header& header, const octets& payload);
  /// The queue that a packet arrives on; by default that of the tuple's last writer.
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
  std::map<std::pair<bool, std::string>, std::size_t> last_writer_; ///< per end and tuple
  std::vector<std::pair<protocol::ip_address, host*>> hosts_;
  std::unique_ptr<process> client_, server_;
};

/// What was logged since this object was made.
class log_tail {
public:
  log_tail();
  std::vector<std::string> lines() const;
  std::size_t matching(const std::string& part) const;

private:
  std::size_t from_;
};

} // namespace tonel::test
