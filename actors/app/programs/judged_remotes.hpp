#pragma once

#include "actors/shard/config.hpp"
#include "protocol/address.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tonel::actors::app {

/// What the host knows of a way to an address. Calls may block.
struct ways {
  /// A route leads to it now.
  std::function<bool(const protocol::ip_address&)> has_route;
  /// The device of this host that has the address; none: no device has it.
  std::function<std::optional<std::string>(const protocol::ip_address&)> own_device;
};
/// Asks the system.
ways ways_of_host();

/// The addresses of a remote that packets can go to, and what is wrong with the others.
struct judged_remotes {
  std::vector<protocol::endpoint> usable; ///< in the order given; those without a route come last
  std::string remark;                     ///< for the log; empty: nothing is wrong
};
judged_remotes judge(const std::vector<protocol::endpoint>& found, role side, const tun_config& tun,
                     const ways& host);

} // namespace tonel::actors::app
