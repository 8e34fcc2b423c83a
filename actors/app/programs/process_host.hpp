#pragma once

#include "actors/app/programs/device_watch.hpp"
#include "actors/app/programs/port_keeper.hpp"
#include "actors/app/programs/rule_keeper.hpp"
#include "actors/app/programs/start_error.hpp"
#include "actors/app/programs/state_keeper.hpp"
#include "actors/app/programs/status_services.hpp"
#include "actors/app/settings/options.hpp"
#include "actors/app/settings/settings.hpp"
#include "actors/root/host.hpp"
#include "actors/runtime/log.hpp"
#include "system/decorators/packet_capture.hpp"
#include "system/direct_path.hpp"
#include "system/host_tcp.hpp"
#include "system/service_manager.hpp"
#include "system/signal_source.hpp"
#include "system/socket_budget.hpp"
#include "system/tun_device.hpp"
#include "system/worker.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tonel::actors::app {

/// The real host of a program: opens signals, sockets, device and rules in the order of its
/// members, and closes them in reverse.
class process_host {
public:
  /// line: kept for reloads, with absolute paths; capture: the file of --pcap
  process_host(const settings& chosen, command_line line, std::optional<sys::capture_file> capture);
  ~process_host();
  process_host(const process_host&) = delete;
  process_host& operator=(const process_host&) = delete;

  /// Errors: why the process cannot start; destroy the host, which undoes what was opened
  std::optional<start_error> open();
  /// The settings as the host permits them. Call it after open().
  const config& run() const noexcept { return chosen_.run; }
  /// The host for assemble(). Call it once, after open().
  host give();

  /// Prints and logs the commands that a user has to run on the host.
  void say_host_commands() const;
  void say_ready();

  /// Ends the worker threads; their pending jobs are dropped. Call it before the actor system ends,
  /// to which their answers are sent.
  void end_workers();
  void end_capture();
  /// Writes what the next program is to know. Call it once no actor is left.
  void end_state() { state_.reset(); }
  /// The exit code of the process; valid once it has begun to end.
  int exit_code() const noexcept { return exit_code_; }

private:
  std::optional<start_error> take_ports();
  std::optional<start_error> open_listeners();
  std::optional<start_error> open_device();
  std::optional<start_error> open_path();
  std::optional<start_error> open_capture();
  void probe_offload();
  void open_state();
  sys::result<tunnel_sockets> listen(const tunnel_config& tunnel) const;
  sys::result<std::shared_ptr<sys::datagram_socket>>
  open_upstream(const protocol::endpoint& upstream);
  sys::worker& resolver_of(const std::string& name);
  void resolve(const tunnel_ptr& tunnel, const caf::actor& root);
  void reload(const caf::actor& root);
  void tunnels_changed(const std::vector<tunnel_ptr>& tunnels);
  bool wants_host_commands() const;

  settings chosen_;
  command_line line_;
  std::atomic<int> exit_code_{0};
  // Opened before any thread exists, so that all threads inherit the blocked signals.
  std::optional<sys::signal_source> signals_;
  std::optional<log_thread> log_; ///< ends last of all threads, to write their last lines
  std::optional<sys::socket_budget> upstreams_;   ///< server
  std::vector<process_tunnel> tunnels_;           ///< until give()
  std::shared_ptr<port_keeper> ports_;            ///< server; shared with the worker
  std::shared_ptr<sys::tun_device> tun_;          ///< shared with the worker
  std::optional<sys::capture_file> capture_file_; ///< of --pcap, until the capture begins
  std::shared_ptr<sys::packet_capture> captures_; ///< shared with the worker
  std::unique_ptr<state_keeper> state_;           ///< client; null: nothing is kept
  status_services status_{chosen_};
  std::shared_ptr<sys::direct_path>
      path_;                           ///< shared with the worker; null: rules are wanted, or none
  std::unique_ptr<sys::host_tcp> tcp_; ///< client on the direct path
  std::unique_ptr<rule_keeper> rules_; ///< null: neither rules nor the direct path are wanted
  std::optional<device_watch> device_changes_;
  std::unique_ptr<sys::worker> worker_;
  // For names alone: a silent name server must not delay rules and reload.
  std::vector<std::string> names_; ///< in the order in which they came; by it they share resolvers
  std::vector<std::unique_ptr<sys::worker>> resolvers_;
  std::unique_ptr<sys::service_manager> service_ = sys::find_service_manager();
};

/// Writes the counters to the log.
void report_counters(const counter_list& counts);

} // namespace tonel::actors::app
