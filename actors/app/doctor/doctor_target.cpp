#include "actors/app/doctor/doctor_target.hpp"

#include "actors/app/settings/config_file.hpp"
#include "actors/app/settings/host_commands.hpp"
#include "actors/app/settings/validate.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

namespace tonel::actors::app {

namespace {

/// The file for a line with the MTU: the file that has one, or else the first.
std::string file_of_mtu(const config_files& files, const std::string& first) {
  const auto at = files.process.find("mtu");
  return at != files.process.end() ? at->second.place.substr(0, at->second.place.rfind(':'))
                                   : first;
}

/// A value of status as it would be typed; none: it does not matter to the host.
std::optional<std::string> typed(const option_row& row, role side, const std::string& shown) {
  const auto of = row.group;
  const bool matters = of == option_heading::tunnel || of == option_heading::device ||
                       of == option_heading::firewall;
  const bool held_by_file = row.secret || row.argument.of(side) == "PATH";
  if (!matters || held_by_file || row.scope == option_scope::command_line || shown.empty())
    return {};
  if (!row.argument.of(side).empty()) return shown;
  return shown == "on" ? std::optional<std::string>{""} : std::nullopt;
}

} // namespace

doctor_case case_of_options(role side, const command_line& line) {
  config_files files;
  const auto config = line.values.find("config");
  const bool from_file = config != line.values.end();
  if (from_file) files = read_config_files(side, config->second);
  const auto [chosen, errors] = read_settings(side, line, files);
  doctor_case out;
  auto& target = out.target;
  target.side = side;
  target.tun = chosen.run.tun.name;
  if (side == role::client && chosen.firewall.interface != "auto")
    target.auto_rule = chosen.firewall.interface;
  target.sets_rules = !chosen.firewall.interface.empty();
  target.backend = chosen.firewall.backend;
  target.take_port = chosen.firewall.take_port;
  target.stateless = chosen.firewall.nat == sys::nat_mode::stateless;
  const auto& tun = chosen.run.tun;
  target.ipv6 = tun.ipv6;
  target.ends4 = {tun.local4, tun.peer4};
  target.ends6 = {tun.local6, tun.peer6};
  if (tun.chosen4) target.chosen.push_back(target.ends4);
  if (tun.chosen6 && tun.ipv6) target.chosen.push_back(target.ends6);
  target.tunnels = chosen.run.tunnels.size();
  if (from_file) target.config_file = file_of_mtu(files, config->second);
  bool good_mtu = true;
  for (const auto& error : errors) {
    if (error.option == "mtu" || error.option == "--mtu") good_mtu = false;
    // Without a file, missing options are no problem.
    if (from_file || !error.value.empty()) target.problems.push_back(error.to_string());
  }
  if (good_mtu) target.mtu = chosen.run.tun.mtu;
  for (const auto& tunnel : chosen.run.tunnels) {
    doctor_way way;
    way.tunnel = tunnel->name;
    way.settings = tunnel;
    way.question.tcp_port = tunnel->local_port;
    way.question.mark = chosen.firewall.mark.value_or(0);
    way.question.tun = target.tun;
    if (!tunnel->remote.host.empty()) way.remote = tunnel->remote;
    out.ways.push_back(std::move(way));
  }
  if (errors.empty() && !target.tun.empty())
    target.rule_commands = host_commands(chosen, target.tun);
  return out;
}

std::optional<doctor_case> case_of_status(const std::string& text) {
  const auto status = nlohmann::json::parse(text, nullptr, false);
  if (!status.is_object() || !status.contains("options") || !status["options"].is_object())
    return {};
  const auto side = status.value("side", "") == "server" ? role::server : role::client;
  command_line line;
  auto& values = line.values;
  for (const auto& [name, value] : status["options"].items())
    if (const auto* row = find_option(name); row != nullptr && value.is_string())
      if (auto given = typed(*row, side, value.get<std::string>()))
        values[name] = std::move(*given);
  // --ipv4-only excludes these.
  if (values.count("ipv4-only") != 0)
    for (const auto* name : {"tun-local6", "tun-peer6"})
      values.erase(name);
  const std::filesystem::path config{status["options"].value("config", "")};
  std::error_code ignored;
  if (config.is_absolute() && std::filesystem::exists(config, ignored)) {
    values["config"] = config.string();
    // Sections have the tunnels' own values.
    if (!read_config_files(side, config.string()).tunnels.empty())
      for (auto at = values.begin(); at != values.end();) {
        const auto* row = find_option(at->first);
        at = row->scope == option_scope::tunnel ? values.erase(at) : std::next(at);
      }
  }
  auto out = case_of_options(side, line);
  out.target.running = true;
  out.target.chosen.clear(); // it has them
  const auto parts = status.value("parts", nlohmann::json::object());
  for (const auto& [name, part] : parts.items())
    if (part.is_object())
      out.target.parts.push_back({name, part.value("state", ""), part.value("detail", "")});
  return out;
}

} // namespace tonel::actors::app
