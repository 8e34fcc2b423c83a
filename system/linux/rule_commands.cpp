#include "system/rule_text.hpp"

#include <map>
#include <utility>

namespace tonel::sys {

std::vector<std::string> needed_sysctls(const rule_plan& plan) {
  using names = std::vector<std::string>;
  auto out = plan.forward4.on.empty() ? names{"net.ipv4.ip_forward"} : plan.forward4.on;
  if (!plan.peer6) return out;
  const auto more =
      plan.forward6.on.empty() ? names{"net.ipv6.conf.all.forwarding"} : plan.forward6.on;
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

std::vector<std::string> shell_commands(const rule_plan& given, bool iptables) {
  // Marks are of use with routing rules alone, which change with the routes.
  auto plan = given;
  plan.uplinks.clear();
  std::vector<std::string> out;
  for (const auto& name : needed_sysctls(plan))
    out.push_back("sysctl -w " + name + "=1");
  // No statement holds a single quote: device names are checked, the rest is ours.
  if (!iptables) {
    for (const auto& statement : nft_statements(plan))
      out.push_back("nft '" + statement + "'");
    return out;
  }
  for (const bool v6 : {false, true}) {
    std::map<std::pair<std::string, std::string>, int> position;
    for (const auto& r : iptables_rules(plan, v6))
      out.push_back(std::string{v6 ? "ip6tables" : "iptables"} + " -w -t " + r.table + " -I " +
                    r.chain + ' ' + std::to_string(++position[{r.table, r.chain}]) + ' ' + r.match);
  }
  return out;
}

} // namespace tonel::sys
