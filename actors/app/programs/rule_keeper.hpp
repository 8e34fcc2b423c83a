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

/// Sets the firewall rules of the process on the real host before the process is ready, makes the
/// arguments of the firewall actor, and removes the rules at the end.
/// Owns: the rules, shared with jobs of the worker: the end must not wait for a job that hangs
class rule_keeper {
public:
  /// tun: the device's actual name. A failure is logged, and the firewall actor tries again.
  rule_keeper(const settings& chosen, const std::string& tun, sys::worker& worker);
  /// Destroy it after the worker.
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
