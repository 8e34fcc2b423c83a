#pragma once

#include "actors/app/settings/settings.hpp"
#include "actors/operations/firewall.hpp"
#include "system/direct_path.hpp"
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
  /// tun: the device's actual name. path: on which the packets go in place of rules; may be null. A failure
  /// is logged, and the firewall actor tries again.
  rule_keeper(const settings& chosen, const std::string& tun, sys::worker& worker,
              const std::shared_ptr<sys::direct_path>& path);
  /// Destroy it after the worker.
  ~rule_keeper();
  rule_keeper(const rule_keeper&) = delete;
  rule_keeper& operator=(const rule_keeper&) = delete;

  const firewall_start& start() const noexcept { return start_; }

private:
  void keep_rules(const settings& chosen, sys::worker& worker);
  void keep_path(const std::shared_ptr<sys::direct_path>& path, sys::worker& worker);
  void watch_changes();

  std::shared_ptr<sys::host_rules> rules_; ///< null: the direct path
  std::optional<sys::netlink_watch> rule_changes_, route_changes_;
  firewall_start start_;
};

} // namespace tonel::actors::app
