#include "actors/app/settings/validate.hpp"

#include "actors/app/settings/process_options.hpp"
#include "actors/app/settings/tunnel_options.hpp"
#include "actors/app/settings/value_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>

namespace tonel::actors::app {

namespace {

using protocol::endpoint;
using protocol::ip_address;

/// A tunnel and the place of its local address, for an error of another tunnel.
struct local_place {
  tunnel_config tunnel;
  const tunnel_section* section;
};

bool overlap(const endpoint& a, const endpoint& b) {
  // [::] includes IPv4.
  const auto takes = [](const ip_address& whole, const ip_address& one) {
    return whole.is_wildcard() && (whole.is_v6() || one.is_v4());
  };
  return a.port == b.port &&
         (a.address == b.address || takes(a.address, b.address) || takes(b.address, a.address));
}

void refuse_shared(reader& in, role side, const tunnel_config& tunnel,
                   const std::vector<local_place>& before) {
  for (const auto& other : before) {
    const bool shared = side == role::server ? tunnel.local_port == other.tunnel.local_port
                                             : overlap(tunnel.local_udp, other.tunnel.local_udp);
    if (!shared || (side == role::server ? tunnel.local_port : tunnel.local_udp.port) == 0)
      continue;
    in.refuse("local", "of tunnel " + tunnel.name + " is that of tunnel " + other.tunnel.name +
                           " too (" + other.section->place + ")");
    return;
  }
}

void read_tunnels(reader& in, role side, const command_line& line, const config_files& files,
                  settings& out) {
  const auto keep = [&](tunnel_config&& tunnel, tunnel_files&& named) {
    out.run.tunnels.push_back(std::make_shared<const tunnel_config>(std::move(tunnel)));
    out.files.push_back(std::move(named));
  };
  if (files.tunnels.empty()) {
    tunnel_files named;
    auto tunnel = read_tunnel(in, side, out.run.tun, named);
    return keep(std::move(tunnel), std::move(named));
  }
  // Outside sections they would apply to every tunnel.
  for (const char* name : {"local", "remote"}) {
    if (line.values.find(name) != line.values.end())
      in.refuse(name, "cannot go with the [tunnel.NAME] sections of --config");
    else if (in.given(name))
      in.refuse(name, "must stand in a [tunnel.NAME] section, since there are some");
  }
  std::vector<local_place> before;
  for (const auto& section : files.tunnels) {
    in.enter(&section);
    tunnel_files named;
    auto tunnel = read_tunnel(in, side, out.run.tun, named);
    tunnel.name = section.name;
    refuse_shared(in, side, tunnel, before);
    before.push_back({tunnel, &section});
    keep(std::move(tunnel), std::move(named));
  }
  in.enter(nullptr);
}

/// Notes for status: options of tunnels as given for all, other options as in force.
void note_values(const reader& in, role side, settings& out) {
  for (const auto& group : option_groups())
    for (const auto& row : group.options)
      if (row.scope == option_scope::tunnel)
        out.shown.emplace_back(row.name, row.secret && in.given(row.name)
                                             ? "xor (key not shown)"
                                             : std::string{in.text(row.name)});
  for (const auto& row : process_rows()) {
    const std::string name{row.option.name};
    if (row.option.group == option_heading::other)
      continue; // they end the program at once, such as --help
    const bool flag = row.option.argument.of(side).empty();
    auto value = row.show ? row.show(out)
                 : flag   ? std::string{in.given(name) ? "on" : "off"}
                          : std::string{in.text(name)};
    if (row.option.scope == option_scope::process) out.process_wide[name] = value;
    out.shown.emplace_back(name, std::move(value));
  }
}

} // namespace

expected<settings, std::vector<option_error>> validate(role side, const command_line& line,
                                                       const config_files& files) {
  auto all = read_settings(side, line, files);
  if (!all.errors.empty()) return unexpected{std::move(all.errors)};
  return std::move(all.chosen);
}

judged_settings read_settings(role side, const command_line& line, const config_files& files) {
  reader in{side, line, files};
  settings out;
  out.run.side = side;
  // A remote is checked against the TUN's networks, but its errors come first, as in --help.
  auto& errors = in.errors();
  const auto at_first = errors.size();
  for (const auto& row : process_rows())
    if (row.read) row.read(in, out);
  const auto of_process = errors.size();
  read_tunnels(in, side, line, files, out);
  const auto offset = [&](std::size_t n) {
    return errors.begin() + static_cast<std::ptrdiff_t>(n);
  };
  std::rotate(offset(at_first), offset(of_process), errors.end());
  note_values(in, side, out);
  return {std::move(out), std::move(errors)};
}

} // namespace tonel::actors::app
