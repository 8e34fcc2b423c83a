#pragma once

#include "system/rule_backend.hpp"
#include "system/rule_text.hpp"
#include "system/ruleset.hpp"

#include <string>
#include <vector>

namespace tonel::sys {

/// A chain of others that stops the tunnel's packets, or may.
struct obstacle {
  chain_verdict at;
  std::string hook; ///< "forward"
  std::vector<std::string>
      commands; ///< that let the tunnel pass, in the words of the chain's firewall
};

/// How packets of a plan are looked at.
struct obstacle_search {
  backend_kind backend = backend_kind::owned; ///< which has our rules
  std::string network4, network6; ///< interfaces to the network where the plan names none
  bool has_iptables = false;      ///< its command is there, for its own tables
  bool all_hooks = false;         ///< what stands before and behind forwarding, too
};
std::vector<obstacle> find_obstacles(const ruleset& rules, const rule_plan& plan,
                                     const obstacle_search& how);

/// Finds the chains of others that drop or reject the tunnel's packets, whatever our rules accept: by
/// policy or by a rule. Gives a text for each, with the commands that mend it, in the words of the
/// firewall that has the chain. backend: which has our rules.
std::vector<std::string> forward_obstacles(const ruleset& rules, const rule_plan& plan,
                                           backend_kind backend);

} // namespace tonel::sys
