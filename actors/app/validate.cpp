#include "actors/app/validate.hpp"

#include "actors/app/encryption.hpp"
#include "actors/app/validate_status.hpp"
#include "actors/app/value_reader.hpp"

#include <algorithm>
#include <optional>

namespace tonel::actors::app {

namespace {

using protocol::endpoint;
using protocol::ip_address;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower_case(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

bool is_v4_mapped(const ip_address& a) {
  static constexpr std::uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return a.is_v6() && std::equal(std::begin(prefix), std::end(prefix), a.data());
}

bool is_multicast_or_broadcast(const ip_address& a) {
  if (a.is_v6()) return a.data()[0] == 0xff;
  return a.is_v4() && (a.data()[0] >= 224);
}

bool is_link_local_v6(const ip_address& a) {
  return a.is_v6() && a.data()[0] == 0xfe && (a.data()[1] & 0xc0) == 0x80;
}

/// Octets of the network part of the TUN's addresses: a /24 or a /64.
std::size_t network_octets(const ip_address& a) { return a.is_v4() ? 3 : 8; }

bool same_network(const ip_address& a, const ip_address& b) {
  if (a.size() != b.size() || a.size() == 0) return false;
  return std::equal(a.data(), a.data() + network_octets(a), b.data());
}

/// The network's own address (for IPv6: the subnet-router anycast address) or its broadcast.
bool is_no_host(const ip_address& a) {
  const auto* host = a.data() + network_octets(a);
  const auto* end = a.data() + a.size();
  const bool zero = std::all_of(host, end, [](auto o) { return o == 0; });
  return zero || (a.is_v4() && *host == 255);
}

/// What is wrong with a host name; empty: nothing. Whether it exists is not asked.
/// Source: RFC 1123 §2.1; underscores are allowed since names in use have them
std::string name_problem(std::string_view name) {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  if (name.empty()) return "lacks the host";
  if (name.size() > 253) return "has a name of over 253 characters";
  std::string_view label;
  for (auto rest = name; !rest.empty();) {
    const auto dot = rest.find('.');
    label = rest.substr(0, dot);
    rest = dot == std::string_view::npos ? std::string_view{} : rest.substr(dot + 1);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-' ||
        (rest.empty() && dot != std::string_view::npos)) {
      return "has a name that is no valid host name";
    }
    const auto fits = [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; };
    if (!std::all_of(label.begin(), label.end(), fits)) {
      return "has a name with characters other than letters, digits, '.', '-' and '_'";
    }
  }
  // The resolver would read "1.2.3" as 1.2.0.3 and "0x7f.1" as 127.0.0.1.
  if (is_digit(label.front())) {
    const auto hex = label.size() > 1 && label[0] == '0' && lower(label[1]) == 'x';
    if (hex || std::all_of(label.begin(), label.end(), is_digit)) {
      return "has neither a name nor a valid IPv4 address";
    }
  }
  return {};
}

bool names_loopback(std::string_view name) {
  auto text = lower_case(name);
  if (!text.empty() && text.back() == '.') text.pop_back();
  static constexpr std::string_view suffix = ".localhost"; // RFC 6761 §6.3
  return text == "localhost" ||
         (text.size() > suffix.size() &&
          text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0);
}

/// What is wrong with the name of a TUN device; empty: nothing.
/// Stricter than the kernel: the name becomes part of firewall rules and of commands that people
/// paste, and "tun*" in a rule would match other devices.
std::string tun_name_problem(std::string_view name) {
  if (name.size() > 15) return "must be at most 15 characters";
  auto rest = std::string{name};
  if (const auto at = rest.find("%d"); at != std::string::npos) rest.erase(at, 2);
  const auto fits = [](char c) {
    return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '_';
  };
  if (!std::all_of(rest.begin(), rest.end(), fits) || name.front() == '-') {
    return "must be letters, digits, '.', '-' and '_', no '-' first ('%d' once: the kernel puts a "
           "number there)";
  }
  if (name == "." || name == "..") return "is no possible name of a device";
  if (name == "all" || name == "default") return "is a name that the kernel keeps for itself";
  return {};
}

void read_local(reader& in, role side, tunnel_config& out) {
  if (side == role::server) {
    if (!in.present("local", "443")) return;
    if (const auto port = parse_port(in.text("local"))) {
      out.local_port = *port;
    } else {
      in.refuse("local", "must be a port alone, 1 to 65535");
    }
    return;
  }
  if (!in.present("local", "127.0.0.1:51820")) return;
  const auto local = endpoint::parse(in.text("local"));
  if (!local) {
    in.refuse("local", "must be IPv4:PORT or [IPv6]:PORT, the address a literal, the port 1 to "
                       "65535");
  } else if (local->port == 0) {
    in.refuse("local", "must have a port of 1 to 65535");
  } else if (is_v4_mapped(local->address)) {
    in.refuse("local", "must be written as IPv4");
  } else if (is_multicast_or_broadcast(local->address)) {
    in.refuse("local", "must be an address of this host");
  } else {
    out.local_udp = *local;
  }
}

/// What is wrong with a literal address as the remote; empty: nothing.
std::string remote_problem(const ip_address& a, role side, const tun_config& tun) {
  if (is_v4_mapped(a)) return "must be written as IPv4";
  if (is_link_local_v6(a)) return "must not be link-local, an interface cannot be named";
  // The upstream's datagrams leave through an ordinary socket, which may send anywhere.
  if (side == role::server) return {};
  if (a.is_loopback() || a.is_wildcard()) {
    return "must not be loopback: packets from a TUN device to a loopback address are martian, "
           "and the kernel drops them";
  }
  if (is_multicast_or_broadcast(a)) return "must be the address of one host";
  if (a.is_v6() && !tun.ipv6) return "is IPv6, which --ipv4-only excludes";
  if (same_network(a, tun.local4) || same_network(a, tun.local6)) {
    return "is in the network of the TUN device, behind which there is only tonelc; choose other "
           "--tun-local and --tun-peer";
  }
  return {};
}

void read_remote(reader& in, role side, const tun_config& tun, host_port& out) {
  if (!in.present("remote", "vpn.example.net:443")) return;
  const auto text = in.text("remote");
  const auto colon = text.rfind(':');
  auto host = text.substr(0, colon);
  if (colon == std::string_view::npos || (text.front() == '[' && text.back() == ']')) {
    in.refuse("remote", "must be HOST:PORT, it lacks the port");
    return;
  }
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto port = parse_port(text.substr(colon + 1));
  const auto address = ip_address::parse(host);
  std::string problem;
  if (bracketed && !(address && address->is_v6())) {
    problem = "must have an IPv6 address in the brackets";
  } else if (!bracketed && host.find(':') != std::string_view::npos) {
    problem = "must be HOST:PORT, with an IPv6 address in brackets: [2001:db8::1]:443";
  } else if (address) {
    problem = remote_problem(*address, side, tun);
  } else if (side == role::client && names_loopback(host)) {
    problem = "must not be loopback: packets from a TUN device to a loopback address are martian, "
              "and the kernel drops them";
  } else {
    problem = name_problem(host);
  }
  if (!problem.empty()) {
    in.refuse("remote", std::move(problem));
  } else if (!port) {
    in.refuse("remote", "must have a port of 1 to 65535");
  } else {
    out = {std::string{host}, *port};
  }
}

/// An address of the TUN device.
ip_address read_address(reader& in, std::string_view name, bool v6) {
  const auto a = ip_address::parse(in.text(name));
  if (!a || a->is_v6() != v6) {
    in.refuse(name, v6 ? "must be an IPv6 address" : "must be an IPv4 address");
  } else if (a->is_wildcard() || a->is_loopback() || is_multicast_or_broadcast(*a) ||
             is_v4_mapped(*a) || is_link_local_v6(*a) || (a->is_v4() && a->data()[0] == 0)) {
    in.refuse(name, "cannot be the address of a device");
  } else if (is_no_host(*a)) {
    in.refuse(name, v6 ? "has no host part (the last 64 bits)"
                       : "must not end with .0 or .255, which are no hosts of the /24");
  } else {
    return *a;
  }
  return {};
}

/// Both addresses of the device, of one family.
void read_pair(reader& in, bool v6, ip_address& local, ip_address& peer) {
  const char* local_name = v6 ? "tun-local6" : "tun-local";
  const char* peer_name = v6 ? "tun-peer6" : "tun-peer";
  local = read_address(in, local_name, v6);
  peer = read_address(in, peer_name, v6);
  if (!local || !peer) return;
  if (local == peer) {
    in.refuse(peer_name, std::string{"must differ from --"} + local_name);
  } else if (!same_network(local, peer)) {
    in.refuse(peer_name, std::string{"must be in one "} + (v6 ? "/64" : "/24") + " with --" +
                             local_name + " " + local.to_string());
  }
}

void read_tun(reader& in, tun_config& out) {
  out.name = std::string{in.text("tun")};
  if (in.given("tun") && std::all_of(out.name.begin(), out.name.end(), is_digit)) {
    const auto fd = parse_number(out.name);
    // 0 to 2 are the standard streams; more than this no process can have open (fs.nr_open).
    if (!fd || *fd < 3 || *fd > 1'073'741'816) {
      in.refuse("tun", "as a number must be that of a descriptor, 3 or more");
    } else {
      out.fd = static_cast<int>(*fd);
    }
    out.name.clear();
  } else if (in.given("tun")) {
    if (auto problem = tun_name_problem(out.name); !problem.empty()) {
      in.refuse("tun", std::move(problem));
    }
  }
  read_pair(in, false, out.local4, out.peer4);
  out.ipv6 = !in.given("ipv4-only");
  out.ipv6_required = in.given("tun-local6") || in.given("tun-peer6");
  if (out.ipv6) {
    read_pair(in, true, out.local6, out.peer6);
  } else {
    for (const char* name : {"tun-local6", "tun-peer6"}) {
      if (in.given(name)) in.refuse(name, "cannot go with --ipv4-only");
    }
  }
  out.queues = in.size("tun-queues");
  if (out.fd >= 0 && out.queues > 1 && in.good("tun-queues"))
    in.refuse("tun-queues", "must be 1 where --tun is a descriptor, which is one queue");
  out.txqueuelen = in.size("txqueuelen");
  out.mtu = static_cast<std::uint16_t>(in.number("mtu"));
  // RFC 8200 §5; Linux takes IPv6 off a device with less.
  if (out.ipv6 && in.good("mtu") && out.mtu < 1280) {
    in.refuse("mtu", "must be at least 1280 for IPv6 (or give --ipv4-only)");
  }
}

void read_encryption(reader& in, tunnel_config& out) {
  if (!in.given("encryption")) return;
  auto cipher = parse_encryption(in.text("encryption"));
  if (cipher)
    out.cipher = std::move(*cipher);
  else
    in.refuse("encryption", std::move(cipher.error()));
}

void read_wire(reader& in, role side, tunnel_config& out) {
  static constexpr const char* names[] = {"auto", "native", "tonel", "phantun"};
  const auto text = in.text("wire");
  if (text.empty()) return;
  const auto at = std::find(std::begin(names), std::end(names), text);
  if (at == std::end(names))
    in.refuse("wire", "must be auto, native, tonel or phantun");
  else if (side == role::client)
    out.wire = static_cast<wire_choice>(at - std::begin(names));
}

void read_offload(reader& in, offload_switches& out) {
  const auto text = in.text("offload");
  if (text == "auto") return;
  if (text == "off") {
    out = {false, false, false};
    return;
  }
  struct entry {
    std::string_view name;
    bool offload_switches::*which;
    bool seen;
  };
  entry entries[] = {{"tun", &offload_switches::tun, false},
                     {"udp-gso", &offload_switches::udp_gso, false},
                     {"udp-gro", &offload_switches::udp_gro, false}};
  std::optional<bool> negative;
  std::string problem;
  for (std::size_t begin = 0; begin <= text.size() && problem.empty();) {
    const auto end = std::min(text.find(',', begin), text.size());
    auto item = text.substr(begin, end - begin);
    begin = end + 1;
    const bool no = item.substr(0, 3) == "no-";
    if (no) item.remove_prefix(3);
    const auto at = std::find_if(std::begin(entries), std::end(entries),
                                 [&](const auto& e) { return e.name == item; });
    if (at == std::end(entries)) {
      problem = "must be auto, off, or a list of tun, udp-gso and udp-gro (or of no-tun, "
                "no-udp-gso and no-udp-gro), joined by commas";
    } else if (negative && *negative != no) {
      problem = "must not mix what to use with what to leave out";
    } else if (at->seen) {
      problem = "names " + std::string{item} + " twice";
    } else {
      at->seen = true;
      negative = no;
    }
  }
  if (!problem.empty()) {
    in.refuse("offload", std::move(problem));
    return;
  }
  for (const auto& e : entries)
    out.*e.which = e.seen != *negative;
}

void read_accept(reader& in, tunnel_config& out) {
  const auto text = in.text("accept");
  bool native = false, legacy = false;
  std::vector<std::string_view> seen;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    const auto item = text.substr(begin, end - begin);
    begin = end + 1;
    const bool older = item == "legacy" || item == "tonel" || item == "phantun";
    if (item != "native" && !older) {
      in.refuse("accept", "must be native, legacy, or both joined by a comma (tonel and phantun "
                          "mean legacy)");
      return;
    }
    if (std::find(seen.begin(), seen.end(), item) != seen.end()) {
      in.refuse("accept", "names " + std::string{item} + " twice");
      return;
    }
    seen.push_back(item);
    (older ? legacy : native) = true;
  }
  out.accept_native = native;
  out.accept_legacy = legacy;
}

void read_limits(reader& in, limits& out) {
  out.max_sessions = in.size("max-sessions");
  if (in.text("max-sessions-per-source") != "auto")
    out.max_sessions_per_source = in.size("max-sessions-per-source");
  out.max_opening_sessions = in.size("max-opening");
  out.max_new_sessions_per_second = in.size("max-new-sessions");
  out.pending_bytes = in.size("pending-bytes");
  out.pending_total_bytes = in.size("pending-total-mib") * 1024 * 1024;
  out.pool_mib = in.size("pool-mib");
  // A part above the whole is a mistake if someone wrote it; if it is our default, the whole rules.
  const auto part = [&](const char* name, std::size_t& value) {
    if (value <= out.max_sessions || !in.good("max-sessions") || !in.good(name)) return;
    if (in.given(name)) {
      in.refuse(name, "must not exceed --max-sessions " + std::to_string(out.max_sessions));
    } else {
      value = out.max_sessions;
    }
  };
  part("max-sessions-per-source", out.max_sessions_per_source);
  part("max-opening", out.max_opening_sessions);
  if (in.good("pending-bytes") && in.good("pending-total-mib") &&
      out.pending_bytes > out.pending_total_bytes) {
    in.refuse("pending-bytes",
              "must not exceed --pending-total-mib " + std::string{in.text("pending-total-mib")});
  }
}

/// 51820, or 0xca6c as wg and ip write it.
std::optional<std::uint32_t> parse_mark(std::string_view text) {
  std::uint64_t value = 0;
  if (text.substr(0, 2) == "0x" && text.size() > 2 && text.size() <= 10) {
    for (const char c : text.substr(2)) {
      const char l = lower(c);
      if (!is_digit(l) && !(l >= 'a' && l <= 'f')) return {};
      value = value * 16 + static_cast<std::uint64_t>(is_digit(l) ? l - '0' : l - 'a' + 10);
    }
  } else {
    value = parse_number(text).value_or(0);
  }
  if (value < 1 || value > 0xffff'ffff) return {};
  return static_cast<std::uint32_t>(value);
}

void read_firewall(reader& in, settings& out) {
  auto& firewall = out.firewall;
  firewall.interface = std::string{in.text("auto-rule")};
  if (in.given("auto-rule")) {
    auto problem = firewall.interface.empty() ? "must name an interface, or be auto"
                                              : tun_name_problem(firewall.interface);
    if (problem.empty() && firewall.interface.find('%') != std::string::npos)
      problem = "must name an interface, or be auto";
    if (!problem.empty()) in.refuse("auto-rule", std::move(problem));
  }
  if (in.text("nat") == "stateless") {
    firewall.nat = sys::nat_mode::stateless;
    if (!in.given("auto-rule"))
      in.refuse("nat", "needs --auto-rule, to know this host's address");
    else if (in.text("firewall") == "iptables")
      in.refuse("nat", "is not among what iptables can do");
  } else if (in.text("nat") != "conntrack") {
    in.refuse("nat", "must be conntrack or stateless");
  }
  if (in.given("fwmark")) {
    firewall.mark = parse_mark(in.text("fwmark"));
    if (!firewall.mark) in.refuse("fwmark", "must be 1 to 4294967295, or as much after 0x");
  }
  if (const auto kind = sys::parse_backend_kind(in.text("firewall")))
    firewall.backend = *kind;
  else
    in.refuse("firewall", std::string{"must be "} + sys::known_backend_kinds());
  out.print_rules = in.given("print-rules");
}

void read_log(reader& in, settings& out) {
  static constexpr const char* names[] = {"off", "error", "warn", "info", "debug", "trace"};
  const auto level = lower_case(in.text("log-level"));
  const auto at = std::find(std::begin(names), std::end(names), level);
  if (at == std::end(names)) {
    in.refuse("log-level", "must be off, error, warn, info, debug or trace");
  } else {
    out.level = static_cast<log_level>(at - std::begin(names));
  }
  const auto format = lower_case(in.text("log-format"));
  if (format == "json")
    out.format = log_format::json;
  else if (format != "text")
    in.refuse("log-format", "must be text or json");
  out.log_output = std::string{in.text("log-output")};
}

/// Where the tunnel's local address stands, for an error of another.
struct local_place {
  tunnel_config tunnel;
  const tunnel_section* section;
};

bool overlap(const endpoint& a, const endpoint& b) {
  // [::] takes IPv4 too.
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

tunnel_config read_tunnel(reader& in, role side, const tun_config& tun, tunnel_files& files) {
  tunnel_config out;
  read_local(in, side, out);
  read_remote(in, side, tun, out.remote);
  out.idle_timeout = std::chrono::seconds{in.number("idle-timeout")};
  read_wire(in, side, out);
  const auto streams = in.size("tcp-connections");
  if (side == role::client) out.streams = streams;
  out.upstream_ports = in.size("udp-connections");
  read_accept(in, out);
  if (in.given("deadline")) out.deadline = std::chrono::seconds{in.number("deadline")};
  files.handshake = in.file("handshake-packet");
  if (in.stronger("encryption", "encryption-file") == "encryption")
    read_encryption(in, out);
  else
    files.key = in.file("encryption-file");
  return out;
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
  // They would be those of every tunnel.
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

/// For a reload, which cannot change these.
void note_process_options(const reader& in, role side, settings& out) {
  for (const auto& group : option_groups())
    for (const auto& option : group.options) {
      if (is_tunnel_option(option.name) || is_command_line_only(option.name)) continue;
      const bool flag = option.argument.of(side).empty();
      out.process_wide[option.name] = flag ? std::string{in.given(option.name) ? "yes" : "no"}
                                           : std::string{in.text(option.name)};
    }
}

void show(const reader& in, role side, settings& out) {
  for (const auto& group : option_groups()) {
    for (const auto& option : group.options) {
      const std::string name = option.name;
      if (name == "help" || name == "version") continue;
      auto value = std::string{in.text(name)};
      if (option.argument.of(side).empty()) value = in.given(name) ? "on" : "off";
      if (name == "encryption" && in.given(name)) value = "xor (key not shown)";
      out.shown.emplace_back(name, std::move(value));
    }
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
  auto& run = out.run;
  run.side = side;
  // A remote is judged against the TUN's networks, but reported before them, in --help's order.
  const auto before_tun = in.errors().size();
  read_tun(in, run.tun);
  const auto after_tun = in.errors().size();
  read_tunnels(in, side, line, files, out);
  auto& errors = in.errors();
  const auto offset = [&](std::size_t n) {
    return errors.begin() + static_cast<std::ptrdiff_t>(n);
  };
  std::rotate(offset(before_tun), offset(after_tun), errors.end());
  run.keepalive = std::chrono::seconds{in.number("keepalive")};
  read_offload(in, run.offload);
  if (in.text("coalesce-us") != "auto")
    run.coalesce = std::chrono::microseconds{in.number("coalesce-us")};
  read_firewall(in, out);
  read_limits(in, run.bounds);
  read_log(in, out);
  read_status(in, out);
  show(in, side, out);
  out.daemonize = in.given("daemonize");
  out.pid_path = std::string{in.text("pid-file")};
  note_process_options(in, side, out);
  return {std::move(out), std::move(errors)};
}

} // namespace tonel::actors::app
