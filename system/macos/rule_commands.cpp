#include "system/macos/pf_text.hpp"
#include "system/rule_text.hpp"

namespace tonel::sys {

std::vector<std::string> needed_sysctls(const rule_plan& plan) { return pf_sysctls(plan); }

std::vector<std::string> shell_commands(const rule_plan& plan, bool) {
  return pf_shell_commands(plan);
}

} // namespace tonel::sys
