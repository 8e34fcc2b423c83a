#pragma once

#include "actors/app/settings/settings.hpp"
#include "actors/operations/firewall.hpp"
#include "system/host_rules.hpp"
#include "system/netlink_watch.hpp"
#include "system/worker.hpp"

#include <memory>
#include <optional>
#include <string>

namespace tonel::actors::app {

/// The firewall rules of the process on the real host: sets them before the process is ready, hands the
/// firewall actor what it keeps them with, and takes them away at the end.
/// Owns: the rules, together with jobs of the worker: the end of the process does not wait for one that
///       hangs
class rule_keeper {
public:
  /// tun: the device's actual name. What fails now is logged, and tried again by the actor.
  rule_keeper(const settings& chosen, const std::string& tun, sys::worker& worker);
  /// After the worker's end.
  ~rule_keeper();
  rule_keeper(const rule_keeper&) = delete;
  rule_keeper& operator=(const rule_keeper&) = delete;

  const firewall_start& start() const noexcept { return start_; }

private:
  void watch_changes();

  std::shared_ptr<sys::host_rules> rules_;
  std::optional<sys::netlink_watch> rule_changes_, route_changes_;
  firewall_start start_;
};

} // namespace tonel::actors::app
