#pragma once

#include "actors/operations/firewall.hpp"
#include "actors/shard/config.hpp"
#include "actors/shard/counters.hpp"
#include "actors/shard/faults.hpp"
#include "protocol/address.hpp"
#include "protocol/bytes.hpp"
#include "system/datagram_socket.hpp"
#include "system/decorators/packet_capture.hpp"
#include "system/event_loop.hpp"
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

/// A client's sockets for one tunnel, by shard; none at the server.
using tunnel_sockets = std::vector<std::shared_ptr<sys::datagram_socket>>;
struct process_tunnel {
  tunnel_ptr settings;
  tunnel_sockets listeners;
};

/// An actor of the control loop that the tunnels can do without: started again whenever it ends, for
/// as long as it takes.
struct service {
  std::string name;
  /// Spawns it; it is told of peers_changed and part_status.
  std::function<caf::actor(const caf::actor& root)> start;
};

/// The counters of all shards, in their order.
using counter_list = std::vector<const counters*>;

/// What a process is assembled on: the operating system, and what people want of the process there; or
/// a test's imitation of both.
/// Shape:  what "may be null" may also be left out
/// Owns:   what it refers to outlives the actors
/// Thread: the control loop's calls the functions, but where another is named; none of them blocks
struct host {
  // Packets.
  std::vector<sys::packet_device*> queues; ///< of the TUN device, one a shard
  sys::packet_capture* capture = nullptr;  ///< records what passes them; may be null
  std::size_t slabs = 256;                 ///< packet buffers of each shard
  /// Called by assemble(): for the shards in their order, then for the control loop.
  std::function<sys::result<std::unique_ptr<sys::event_loop>>()> make_loop;
  /// Random octets (getrandom); what it throws ends the actor that asks. Thread: any
  std::function<void(protocol::byte_span)> random;
  /// A UDP socket connected to the upstream (server). Thread: a shard's
  std::function<sys::result<std::shared_ptr<sys::datagram_socket>>(const protocol::endpoint&)>
      open_upstream;
  fault_provoker provoke; ///< may be null. Thread: a shard's

  // Tunnels.
  std::vector<process_tunnel> tunnels; ///< at the start, with their sockets
  /// Opens the sockets of a tunnel that a reload brings.
  std::function<sys::result<tunnel_sockets>(const tunnel_config&)> listen;
  /// Resolves the tunnel's remote, and sends remote_resolved or resolve_failed to the handle.
  std::function<void(const tunnel_ptr&, const caf::actor&)> resolve;
  /// Reads the configuration again, and sends reload_result to the handle; may be null.
  std::function<void(const caf::actor&)> reload;
  /// Is told the tunnels that there are after a reload has changed them; may be null.
  std::function<void(const std::vector<tunnel_ptr>&)> tunnels_changed;
  /// What the firewall actor is spawned with; null: none is wanted.
  const firewall_start* firewall = nullptr;

  // The process.
  int signal_fd = -1; ///< readable when signals wait; -1: none ever do
  std::function<std::vector<int>()> take_signals;
  /// Writes the counters to the log.
  std::function<void(const counter_list&)> report;
  /// Opens the log's file again, for programs that move it away; may be null.
  std::function<void()> reopen_log;
  /// Is told when all shards are up, and when they go; its watchdog is fed. May be null.
  sys::service_manager* manager = nullptr;
  /// Called by assemble(): what answers questions about the process, on the control loop; may be null.
  std::function<std::vector<service>(reactor& control, const counter_list&)> services;
  /// Is told the exit code when the process begins to end; may be null.
  std::function<void(int code)> ending;
};

} // namespace tonel::actors
