#pragma once

#include "system/os_error.hpp"
#include "system/rule_text.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tonel::sys {

/// Where the rules of an instance lie: Apple's main ruleset looks into every anchor below com.apple.
/// Shape:  "com.apple/tonel_..."
std::string pf_anchor(std::string_view table);

/// The rules for pf that make the tunnels work, for `pfctl -a ANCHOR -f -`: translation, then filter
/// rules, which decide at once (quick), since an anchor behind ours may block.
/// Errors: EOPNOTSUPP: the plan wants what pf cannot do (stateless translation, marks, an interface
///         that is not known); the detail says which
/// Source: man 5 pf.conf
result<std::string> pf_rules(const rule_plan& plan);

/// The sysctls that have to be 1.
std::vector<std::string> pf_sysctls(const rule_plan& plan);

/// The plan as commands for a POSIX shell, each on one line, in order; what cannot be done is a comment.
std::vector<std::string> pf_shell_commands(const rule_plan& plan);

/// The token that `pfctl -E` prints, with which -X takes this reference to pf back; empty: none.
std::string pf_token(std::string_view printed);

/// The anchors of instances of ours among those that `pfctl -s Anchors` prints, by their last names.
std::vector<std::string> pf_own_anchors(const std::string& printed);

/// Whether `pfctl -s info` says that pf is on.
bool pf_is_on(std::string_view printed);

/// Whether a main ruleset, as `pfctl -s nat` and `pfctl -s rules` print it, looks into anchors
/// below com.apple.
bool pf_uses_anchors(std::string_view nat, std::string_view rules);

} // namespace tonel::sys
