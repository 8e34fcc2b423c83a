#pragma once

#include "system/direct_path.hpp"
#include "system/host_rules.hpp"
#include "system/host_ways.hpp"
#include "system/os_error.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace tonel::sys {

/// The plan of the direct path for a request, with the host's facts. tuns: devices of this program's
/// instances, which are no uplinks.
direct_plan plan_direct(const rule_request& request, const way_facts& facts,
                        const std::vector<std::string>& tuns);

/// What the programs of the direct path take, kept by a request as host_rules keeps rules. Nothing of it
/// is in the firewall.
/// Owns:   the path, together with others
/// Thread: any; calls block and wait for each other
class direct_rules {
public:
  /// folder: of the instances' records (instance_file)
  direct_rules(std::shared_ptr<direct_path> path, std::string folder)
      : path_{std::move(path)}, folder_{std::move(folder)} {}

  /// Has the programs take what the request says, and looks for the ways to the remotes.
  /// Errors: those of direct_path::ensure() and find_ways(); try again later
  result<rules_report> ensure(const rule_request& request);

private:
  std::mutex mutex_;
  std::shared_ptr<direct_path> path_;
  std::string folder_;
};

} // namespace tonel::sys
