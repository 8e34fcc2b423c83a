#pragma once

#include "protocol/address.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tonel::sys {

/// The way of this host's own packets to a remote.
struct host_way {
  protocol::ip_address remote;
  protocol::ip_address source; ///< the host's address that they have; none: no route leads there
  std::uint32_t device = 0;    ///< number of the interface that they leave by
  std::string name;            ///< of that interface
  bool inside = false;         ///< the remote is this host itself

  bool operator==(const host_way& o) const noexcept {
    return remote == o.remote && source == o.source && device == o.device && inside == o.inside;
  }
  bool operator!=(const host_way& o) const noexcept { return !(*this == o); }
};

/// What the host's routes and addresses say.
struct way_facts {
  std::vector<host_way> ways; ///< in the order asked
  /// Interfaces with an address that others reach, that of the default route first.
  std::vector<std::string> devices;
};

/// Asks the kernel for the ways to these addresses, as policy routing decides for packets of this mark.
/// Errors: netlink's; EOPNOTSUPP: not on this operating system
result<way_facts> find_ways(const std::vector<protocol::ip_address>& remotes,
                            std::optional<std::uint32_t> mark);

} // namespace tonel::sys
