#pragma once

#include "actors/operations/firewall.hpp"
#include "actors/shard/config.hpp"
#include "actors/shard/counters.hpp"
#include "actors/shard/faults.hpp"
#include "actors/shard/session_memory.hpp"
#include "actors/shard/tunnel_health.hpp"
#include "protocol/address.hpp"
#include "protocol/bytes.hpp"
#include "system/datagram_socket.hpp"
#include "system/decorators/packet_capture.hpp"
#include "system/direct_path.hpp"
#include "system/event_loop.hpp"
#include "system/host_tcp.hpp"
#include "system/os_error.hpp"
#include "system/packet_device.hpp"
#include "system/service_manager.hpp"

#include <caf/actor.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tonel::actors {

class reactor;

/// A client's sockets of one tunnel, indexed by shard; empty at the server.
using tunnel_sockets = std::vector<std::shared_ptr<sys::datagram_socket>>;
struct process_tunnel {
  tunnel_ptr settings;
  tunnel_sockets listeners;
  std::shared_ptr<tunnel_health> health = std::make_shared<tunnel_health>();
};

/// An actor on the control loop that the tunnels do not need: started again whenever it ends,
/// without a limit.
struct service {
  std::string name;
  /// Spawns the actor. It receives peers_changed and part_status.
  std::function<caf::actor(const caf::actor& root)> start;
};

/// The counters of all shards, indexed by shard.
using counter_list = std::vector<const counters*>;

/// Everything outside the process that it is assembled on: the operating system and the user's
/// settings for it, or a test's imitation of both.
/// Shape:  members that "may be null" are optional
/// Owns:   nothing; what it refers to outlives the actors
/// Thread: functions are called on the control loop's, unless another is named; none may block
struct host {
  // Packets.
  std::vector<sys::packet_device*> queues; ///< queues of the TUN device, one for each shard
  sys::packet_capture* capture = nullptr;  ///< records the packets of the queues; may be null
  std::size_t slabs = 256;                 ///< packet buffers for each shard
  /// Called by assemble(), for each shard in order, then for the control loop.
  std::function<sys::result<std::unique_ptr<sys::event_loop>>()> make_loop;
  /// Fills with random octets (getrandom); its exception ends the calling actor. Thread: any
  std::function<void(protocol::byte_span)> random;
  /// Server: opens a UDP socket connected to the upstream. Thread: a shard's
  std::function<sys::result<std::shared_ptr<sys::datagram_socket>>(const protocol::endpoint&)>
      open_upstream;
  fault_provoker provoke; ///< may be null. Thread: a shard's
  /// Client: kept beyond the process, so that sessions stay at their servers; may be null.
  std::shared_ptr<session_memory> memory;

  // Tunnels.
  std::vector<process_tunnel> tunnels; ///< those at the start, with their sockets
  /// Opens the sockets of a tunnel that a reload adds.
  std::function<sys::result<tunnel_sockets>(const tunnel_config&)> listen;
  /// Resolves the tunnel's remote, and sends remote_resolved or resolve_failed to the actor.
  std::function<void(const tunnel_ptr&, const caf::actor&)> resolve;
  /// Reads the configuration again, and sends reload_result to the actor; may be null.
  std::function<void(const caf::actor&)> reload;
  /// Receives all tunnels after a reload that changed some; may be null.
  std::function<void(const std::vector<tunnel_ptr>&)> tunnels_changed;
  /// The arguments of the firewall actor; null: no rules are wanted.
  const firewall_start* firewall = nullptr;
  /// Client: takes its packets, by what `firewall` keeps; null: rules do.
  sys::direct_path* direct = nullptr;
  sys::host_tcp* tcp = nullptr; ///< client on the direct path; may be null

  // The process.
  int signal_fd = -1; ///< readable when signals wait; -1: no signals
  std::function<std::vector<int>()> take_signals;
  /// Writes the counters to the log.
  std::function<void(const counter_list&)> report;
  /// Opens the log file again, after a program such as logrotate has moved it; may be null.
  std::function<void()> reopen_log;
  /// Told when all shards are up and when they stop; may be null.
  sys::service_manager* manager = nullptr;
  /// Called by assemble(): the services that answer questions about the process; may be null.
  std::function<std::vector<service>(reactor& control, const counter_list&)> services;
  /// Called with the exit code when the process begins to end; may be null.
  std::function<void(int code)> ending;
};

} // namespace tonel::actors
