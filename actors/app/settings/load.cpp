#include "actors/app/settings/load.hpp"

#include "actors/app/settings/config_file.hpp"
#include "actors/app/settings/known_opening.hpp"
#include "actors/app/settings/tunnel_options.hpp"
#include "actors/app/settings/validate.hpp"
#include "system/daemon.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

namespace tonel::actors::app {

expected<settings, std::vector<option_error>> load_settings(role side, const command_line& line) {
  config_files files;
  if (const auto at = line.values.find("config"); at != line.values.end())
    files = read_config_files(side, at->second);
  auto [chosen, errors] = read_settings(side, line, files);
  auto sizes = chosen.run;
  // With a wrong MTU, the size of a packet cannot be checked.
  const auto of_mtu = [](const auto& e) { return e.option == "--mtu" || e.option == "mtu"; };
  if (std::any_of(errors.begin(), errors.end(), of_mtu))
    sizes.tun.mtu = std::numeric_limits<std::uint16_t>::max();
  for (std::size_t i = 0; i < chosen.run.tunnels.size(); ++i) {
    auto tunnel = *chosen.run.tunnels[i];
    take_files(chosen.files[i], sizes, tunnel, errors);
    chosen.run.tunnels[i] = std::make_shared<const tunnel_config>(std::move(tunnel));
  }
  if (!errors.empty()) return unexpected{std::move(errors)};
  return std::move(chosen);
}

void make_paths_absolute(command_line& line) {
  for (auto& [name, value] : line.values) {
    const auto* row = find_option(name);
    const bool of_tunnel = row != nullptr && row->scope == option_scope::tunnel &&
                           row->argument.of(role::client) == "PATH";
    if (of_tunnel || name == "config") value = sys::absolute_path(value);
  }
}

std::vector<std::string> warnings_of(const settings& chosen) {
  std::vector<std::string> out;
  for (const auto& tunnel : chosen.run.tunnels) {
    if (!tunnel->handshake_packet) continue;
    const auto claimed = known_opening(*tunnel->handshake_packet);
    if (claimed.empty()) continue;
    auto& text = out.emplace_back(label(*tunnel));
    text += "the handshake packet starts like ";
    text += claimed;
    text += ", which what follows it is not: firewalls that inspect ";
    text += claimed;
    text +=
        " drop such a connection, where many let pass what they don't know. Better is none, or one "
        "that starts like no protocol";
  }
  return out;
}

std::string summary_text(const settings& chosen) {
  const auto& run = chosen.run;
  std::string out{program_name(run.side)};
  out += ": the configuration is good: ";
  out += run.tunnels.size() == 1 ? "1 tunnel" : std::to_string(run.tunnels.size()) + " tunnels";
  out += '\n';
  for (const auto& tunnel : run.tunnels)
    out += "  " + label(*tunnel) + tunnel_summary(run.side, *tunnel) + '\n';
  for (const auto& warning : warnings_of(chosen))
    out += "  warning: " + warning + '\n';
  return out;
}

std::string changed_process_options(const settings& before, const settings& after) {
  std::string out;
  for (const auto& [name, text] : after.process_wide) {
    const auto was = before.process_wide.find(name);
    if (was != before.process_wide.end() && was->second == text) continue;
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

} // namespace tonel::actors::app
