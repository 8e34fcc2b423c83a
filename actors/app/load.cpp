#include "actors/app/load.hpp"

#include "actors/app/config_file.hpp"
#include "actors/app/encryption.hpp"
#include "actors/app/handshake_packet.hpp"
#include "actors/app/known_opening.hpp"
#include "actors/app/validate.hpp"
#include "system/private_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

namespace tonel::actors::app {

namespace {

// Keys longer than this are cut anyway.
constexpr std::size_t longest_key_file = 64 * 1024;

std::string key_problem(const sys::os_error& error) {
  if (error.number == EPERM) return "must be closed to others: chmod go-w,o-rwx it";
  if (error.number == EFBIG) return "is no key, it is too long";
  return "cannot be read: " + error.to_string();
}

void read_key(named_file& file, tunnel_config& tunnel, std::vector<option_error>& errors) {
  if (file.path.empty()) return;
  const auto refuse = [&](std::string problem) {
    errors.push_back({file.option, file.path, std::move(problem), file.place});
  };
  auto content = sys::read_private_file(file.path, longest_key_file);
  if (!content) return refuse(key_problem(content.error()));
  while (!content->empty() && (content->back() == '\n' || content->back() == '\r'))
    content->pop_back();
  auto cipher = parse_encryption(*content);
  if (!cipher) return refuse("the content " + cipher.error());
  tunnel.cipher = std::move(*cipher);
}

std::string arrow(const tunnel_config& tunnel, role side) {
  const auto local = side == role::client ? tunnel.local_udp.to_string()
                                          : "TCP port " + std::to_string(tunnel.local_port);
  const bool v6 = tunnel.remote.host.find(':') != std::string::npos;
  return local + " -> " + (v6 ? "[" + tunnel.remote.host + "]" : tunnel.remote.host) + ":" +
         std::to_string(tunnel.remote.port);
}

} // namespace

expected<settings, std::vector<option_error>> load_settings(role side, const command_line& line) {
  config_files files;
  if (const auto at = line.values.find("config"); at != line.values.end())
    files = read_config_files(side, at->second);
  auto [chosen, errors] = read_settings(side, line, files);
  auto sizes = chosen.run;
  // Where the MTU is wrong, nothing is too large for it.
  const auto of_mtu = [](const auto& e) { return e.option == "--mtu" || e.option == "mtu"; };
  if (std::any_of(errors.begin(), errors.end(), of_mtu))
    sizes.tun.mtu = std::numeric_limits<std::uint16_t>::max();
  for (std::size_t i = 0; i < chosen.run.tunnels.size(); ++i) {
    auto tunnel = *chosen.run.tunnels[i];
    read_key(chosen.files[i].key, tunnel, errors);
    if (auto packet = read_handshake_packet(chosen.files[i].handshake, sizes, tunnel))
      tunnel.handshake_packet = std::move(*packet);
    else
      errors.push_back(std::move(packet.error()));
    chosen.run.tunnels[i] = std::make_shared<const tunnel_config>(std::move(tunnel));
  }
  if (!errors.empty()) return unexpected{std::move(errors)};
  return std::move(chosen);
}

std::vector<std::string> warnings_of(const settings& chosen) {
  std::vector<std::string> out;
  for (const auto& tunnel : chosen.run.tunnels) {
    if (!tunnel->handshake_packet) continue;
    const auto claimed = known_opening(*tunnel->handshake_packet);
    if (claimed.empty()) continue;
    const std::string name{claimed};
    out.push_back(label(*tunnel) + "the handshake packet starts like " + name +
                  ", which what follows it is not: firewalls that inspect " + name +
                  " drop such a connection, where many let pass what they don't know. Better is "
                  "none, or one that starts like no protocol");
  }
  return out;
}

std::string summary_text(const settings& chosen) {
  const auto& run = chosen.run;
  std::string out{program_name(run.side)};
  out += ": the configuration is good: ";
  out += run.tunnels.size() == 1 ? "1 tunnel" : std::to_string(run.tunnels.size()) + " tunnels";
  out += '\n';
  for (const auto& tunnel : run.tunnels) {
    out += "  " + label(*tunnel) + arrow(*tunnel, run.side);
    if (tunnel->cipher) out += ", encryption";
    if (tunnel->handshake_packet)
      out += ", handshake packet of " + std::to_string(tunnel->handshake_packet->size()) + " bytes";
    if (run.side == role::client && tunnel->streams > 1)
      out += ", " + std::to_string(tunnel->streams) + " connections";
    if (run.side == role::server && tunnel->upstream_ports > 1)
      out += ", " + std::to_string(tunnel->upstream_ports) + " UDP ports";
    out += ", idle-timeout " + std::to_string(tunnel->idle_timeout.count()) + " s";
    if (tunnel->deadline.count() != 0)
      out += ", deadline " + std::to_string(tunnel->deadline.count()) + " s";
    out += '\n';
  }
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
