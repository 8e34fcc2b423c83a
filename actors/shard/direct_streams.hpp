#pragma once

#include "protocol/address.hpp"
#include "system/direct_path.hpp"
#include "system/host_tcp.hpp"
#include "system/host_ways.hpp"
#include "system/os_error.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace tonel::actors {

/// A client's streams on the direct path: which address of the host each has, and that the programs take
/// its packets.
/// Owns:   nothing of the path and of the host's TCP, which outlive its leases
/// Thread: any
class direct_streams {
public:
  /// host: may be null
  direct_streams(sys::direct_path& path, sys::host_tcp* host) : path_(path), host_(host) {}

  /// The ways as they are now. True: others than before.
  bool learn(const std::vector<sys::host_way>& now);
  /// The address of the host that packets to there have: none, where no route leads there; nothing, as
  /// long as that is not known.
  std::optional<protocol::ip_address> source_to(const protocol::ip_address& remote) const;

  /// The packets of one connection are taken until the last copy is destroyed.
  using lease = std::shared_ptr<const protocol::four_tuple>;
  /// Errors: EADDRINUSE: the host's own TCP has the connection, take another port; others: the path's
  sys::result<lease> take(const protocol::four_tuple& connection);

private:
  sys::direct_path& path_;
  sys::host_tcp* host_;
  mutable std::mutex mutex_;
  std::vector<sys::host_way> ways_;
};

/// A line of the log for each remote whose way is another.
void log_ways(const std::vector<sys::host_way>& before, const std::vector<sys::host_way>& now);

} // namespace tonel::actors
