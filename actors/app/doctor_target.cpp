#include "actors/app/doctor_target.hpp"

#include "actors/app/host_commands.hpp"
#include "actors/app/validate.hpp"

#include <nlohmann/json.hpp>
#include <sstream>

namespace tonel::actors::app {

namespace {

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// The values that decide which rules a tunnel needs.
option_values for_rules(const option_values& all) {
  option_values out;
  for (const char* name :
       {"local", "remote", "ipv4-only", "tun-local", "tun-peer", "tun-local6", "tun-peer6", "mtu"})
    if (const auto at = all.find(name); at != all.end()) out.insert(*at);
  return out;
}

std::string value_of(const option_values& values, const char* name) {
  const auto at = values.find(name);
  return at != values.end() ? at->second : std::string{};
}

} // namespace

doctor_case case_of_values(role side, const option_values& values) {
  doctor_case out;
  out.target.side = side;
  out.target.tun = value_of(values, "tun");
  out.target.ipv6 = values.find("ipv4-only") == values.end();
  if (const auto mtu = value_of(values, "mtu");
      !mtu.empty() && mtu.size() < 6 && mtu.find_first_not_of("0123456789") == std::string::npos)
    out.target.mtu = static_cast<std::uint32_t>(std::stoul(mtu));
  command_line line;
  line.values = for_rules(values);
  const auto chosen = validate(side, line);
  if (!chosen) return out; // a value is missing or wrong: less is known, that is all
  const auto& tunnel = *chosen->run.tunnels.front();
  out.target.local_port = tunnel.local_port;
  out.question.tcp_port = tunnel.local_port;
  if (side == role::client) out.remote = tunnel.remote;
  if (!out.target.tun.empty()) out.target.rule_commands = host_commands(*chosen, out.target.tun);
  return out;
}

std::optional<doctor_case> case_of_status(const std::string& text) {
  const auto status = nlohmann::json::parse(text, nullptr, false);
  if (!status.is_object() || !status.contains("options") || !status["options"].is_object())
    return {};
  option_values values;
  for (const auto& [name, value] : status["options"].items())
    if (value.is_string() && !value.get<std::string>().empty()) values[name] = value;
  // A flag that is off is as good as not given; so are addresses that --ipv4-only excludes.
  if (value_of(values, "ipv4-only") == "on") {
    values.erase("tun-local6");
    values.erase("tun-peer6");
  } else {
    values.erase("ipv4-only");
  }
  auto out =
      case_of_values(status.value("side", "") == "server" ? role::server : role::client, values);
  out.target.running = true;
  return out;
}

option_values values_in(const std::string& content) {
  option_values out;
  std::istringstream lines{content};
  for (std::string line; std::getline(lines, line);) {
    for (std::size_t i = 0; i < line.size(); ++i)
      if (line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) line.resize(i);
    const auto equals = line.find('=');
    if (equals == std::string::npos) continue;
    const auto name = trimmed(line.substr(0, equals));
    auto value = trimmed(line.substr(equals + 1));
    if (find_option(name) != nullptr) out.emplace(name, std::move(value));
  }
  return out;
}

} // namespace tonel::actors::app
