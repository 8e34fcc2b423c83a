#pragma once

#include "protocol/address.hpp"
#include "system/ip_net.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tonel::sys {

/// A TCP port that a server takes packets to.
struct direct_port {
  std::uint16_t port = 0;
  protocol::ip_address address; ///< none: any of the host
  std::vector<ip_net> allow;    ///< sources; empty: all
};

/// Where a client's packets to a remote leave the host.
struct direct_remote {
  protocol::endpoint at;
  std::uint32_t device = 0; ///< number of the interface, by the kernel's route with the plan's mark
};

/// Which packets the programs take, and where to.
struct direct_plan {
  bool server = false;
  std::string tun;
  /// Devices to take packets at, the preferred one for answers first; one that is not there is taken
  /// when a later ensure() finds it. "lo": a remote is this host.
  std::vector<std::string> uplinks;
  std::vector<direct_port> ports;     ///< server
  std::vector<direct_remote> remotes; ///< client
  std::optional<std::uint32_t> mark;  ///< of the packets that leave
  bool reply_by_arrival = false; ///< server: answers leave by the uplink of the client's packets
};

/// The result of one direct_path::ensure().
struct direct_report {
  bool repaired = false;            ///< others had detached something
  std::string means;                ///< "tcx" or "clsact"
  std::vector<std::string> devices; ///< where the programs are attached, the TUN included
  std::vector<std::string> notes;   ///< lines for the log, each given once
};

/// What the programs have done since they were attached.
/// Units: packets; a super-segment is one
struct direct_counters {
  std::uint64_t taken = 0;   ///< from an uplink to the TUN
  std::uint64_t refused = 0; ///< to a served port, from a source that it does not allow
  std::uint64_t sent = 0;    ///< from the TUN to an uplink
  std::uint64_t strange = 0; ///< written to the TUN, and not the tunnel's: dropped
  std::uint64_t lost = 0;    ///< the tunnel's, and without a way
};

/// The means to attach a program to a device.
enum class direct_means : std::uint8_t {
  automatic,
  tcx,    ///< a link that ends with its process (Linux 6.6)
  clsact, ///< a filter, which a killed process leaves behind
};

/// Takes the tunnel's packets from the network to the TUN and back by two eBPF programs at the devices'
/// ingress, without rules, translation and forwarding: the packets have the host's own addresses.
/// Owns:   what is attached; the destructor detaches it
/// Thread: ensure() and counters() one at a time, they block; take() and release() any
class direct_path {
public:
  /// Loads the programs; the first ensure() sweeps what dead processes have left. CAP_BPF is given up then,
  /// with CAP_PERFMON, where nothing later needs it: so call it before other threads are made. folder: of the instances'
  /// records (instance_file).
  /// Errors: EPERM: CAP_BPF, CAP_NET_ADMIN or (before Linux 6.8) CAP_PERFMON is missing; EOPNOTSUPP: built without, or not on this kernel
  static result<std::unique_ptr<direct_path>> open(std::string folder,
                                                   direct_means means = direct_means::automatic);
  virtual ~direct_path() = default;

  /// Attaches what is missing, detaches what is not wanted, and changes what the programs take, without
  /// a gap for what stays. Called again after an error it continues there.
  /// Errors: ENODEV: there is no TUN of that name; others: try again later
  virtual result<direct_report> ensure(const direct_plan& plan) = 0;

  /// Client: takes the packets of this connection from now on, until release(). `local` is an address of
  /// the host. Kept across ensure().
  /// Errors: ENOSPC: too many connections
  virtual result<void> take(const protocol::four_tuple& connection) = 0;
  virtual void release(const protocol::four_tuple& connection) noexcept = 0;

  virtual direct_counters counters() const = 0;
};

} // namespace tonel::sys
