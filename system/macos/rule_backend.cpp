#include "system/rule_backend.hpp"

#include "system/command.hpp"
#include "system/macos/pf_backend.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tonel::sys {

namespace {

constexpr std::pair<backend_kind, const char*> kinds[] = {{backend_kind::automatic, "auto"},
                                                          {backend_kind::pf, "pf"}};

} // namespace

const char* to_string(backend_kind kind) noexcept {
  for (const auto& [k, name] : kinds)
    if (k == kind) return name;
  return "";
}

const char* known_backend_kinds() noexcept { return "auto or pf"; }

std::optional<backend_kind> parse_backend_kind(std::string_view name) noexcept {
  for (const auto& [kind, text] : kinds)
    if (name == text) return kind;
  return {};
}

result<std::unique_ptr<rule_backend>> open_backend(backend_kind kind) {
  if (kind != backend_kind::automatic && kind != backend_kind::pf)
    return unexpected{os_error{EOPNOTSUPP, "firewall", "macOS has pf alone"}};
  if (::geteuid() != 0) return unexpected{os_error{EPERM, "pfctl", "only root may set its rules"}};
  return std::unique_ptr<rule_backend>{std::make_unique<pf_backend>(
      [](const std::vector<std::string>& argv, const std::string& input) {
        return run_command(argv, input);
      })};
}

std::vector<std::string> forward_obstacles(rule_backend& backend, const rule_plan&) {
  const auto in_force = static_cast<pf_backend&>(backend).in_force();
  if (!in_force || *in_force) return {};
  return {
      "the main ruleset of pf does not look into the anchors of com.apple, so that our rules do "
      "nothing. Let /etc/pf.conf have its lines nat-anchor, rdr-anchor and anchor "
      "\"com.apple/*\", and run as root: pfctl -f /etc/pf.conf"};
}

std::vector<std::string> tables_of_others(rule_backend& backend, const std::string& our_table) {
  auto out = static_cast<pf_backend&>(backend).anchors().value_or(std::vector<std::string>{});
  out.erase(std::remove(out.begin(), out.end(), our_table), out.end());
  return out;
}

} // namespace tonel::sys
