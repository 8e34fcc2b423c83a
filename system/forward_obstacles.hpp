#pragma once

#include "system/rule_backend.hpp"
#include "system/rule_text.hpp"
#include "system/ruleset.hpp"

#include <string>
#include <vector>

namespace tonel::sys {

/// Finds the chains of others that drop or reject the tunnel's packets, whatever our rules accept: by
/// policy or by a rule. Gives a text for each, with the commands that mend it, in the words of the
/// firewall that has the chain. backend: which has our rules.
std::vector<std::string> forward_obstacles(const ruleset& rules, const rule_plan& plan,
                                           backend_kind backend);

} // namespace tonel::sys
