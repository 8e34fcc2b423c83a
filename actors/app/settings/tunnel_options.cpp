#include "actors/app/settings/tunnel_options.hpp"

#include "actors/app/settings/encryption.hpp"
#include "actors/app/settings/handshake_packet.hpp"
#include "system/private_file.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <initializer_list>
#include <memory>
#include <utility>

namespace tonel::actors::app {

namespace {

using protocol::endpoint;
using protocol::ip_address;
using protocol::ip_net;
using octets = std::vector<std::uint8_t>;

// Longer keys are cut anyway.
constexpr std::size_t longest_key_file = std::size_t{64} * 1024;

// They stand in several rules of the host's firewall, one by one.
constexpr std::size_t most_nets = 256;

std::string_view without_blanks(std::string_view text) {
  const auto first = std::min(text.find_first_not_of(" \t"), text.size());
  return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

bool is_file(const option_row& row) { return row.argument.of(role::client) == "PATH"; }

/// Reads the value of one row into a tunnel.
struct row_reading {
  reader& in;
  const option_row& row;
  role side;
  const tun_config& tun;
  tunnel_config& out;
  tunnel_files& files;

  void operator()(local_members) const {
    if (side == role::client) {
      if (!in.present(row.name, "127.0.0.1:51820")) return;
      const auto local = endpoint::parse(in.text(row.name));
      if (auto problem = local_problem(local); !problem.empty())
        in.refuse(row.name, std::move(problem));
      else
        out.local_udp = *local;
      return;
    }
    if (!in.present(row.name, "443")) return;
    if (const auto port = parse_port(in.text(row.name)))
      out.local_port = *port;
    else
      in.refuse(row.name, "must be a port alone, 1 to 65535");
  }

  void operator()(host_port tunnel_config::*member) const {
    if (!in.present(row.name, "vpn.example.net:443")) return;
    const auto text = in.text(row.name);
    const auto colon = text.rfind(':');
    auto host = text.substr(0, colon);
    if (colon == std::string_view::npos || (text.front() == '[' && text.back() == ']'))
      return in.refuse(row.name, "must be HOST:PORT, it lacks the port");
    const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    const auto port = parse_port(text.substr(colon + 1));
    const auto address = ip_address::parse(host);
    std::string problem;
    if (bracketed && !(address && address->is_v6()))
      problem = "must have an IPv6 address in the brackets";
    else if (!bracketed && host.find(':') != std::string_view::npos)
      problem = "must be HOST:PORT, with an IPv6 address in brackets: [2001:db8::1]:443";
    else
      problem = address ? remote_problem(*address, side, tun) : remote_problem(host, side);
    if (problem.empty() && !port) problem = "must have a port of 1 to 65535";
    if (problem.empty())
      out.*member = {std::string{host}, *port};
    else
      in.refuse(row.name, std::move(problem));
  }

  void operator()(std::chrono::seconds tunnel_config::*member) const {
    if (!in.text(row.name).empty()) out.*member = std::chrono::seconds{in.number(row.name)};
  }
  void operator()(std::size_t tunnel_config::*member) const {
    if (!in.text(row.name).empty()) out.*member = in.size(row.name);
  }

  void operator()(wire_choice tunnel_config::*member) const {
    const auto text = in.text(row.name);
    if (text.empty()) return;
    if (const auto at = choice_of(row, text))
      out.*member = static_cast<wire_choice>(*at);
    else
      in.refuse(row.name, "must be " + choices_text(row));
  }

  void operator()(accept_members) const {
    const auto text = in.text(row.name);
    bool native = false, legacy = false;
    std::vector<std::string_view> seen;
    for (std::size_t begin = 0; begin <= text.size();) {
      const auto end = std::min(text.find(',', begin), text.size());
      const auto item = text.substr(begin, end - begin);
      begin = end + 1;
      const bool older = item == "legacy" || item == "tonel" || item == "phantun";
      if (item != "native" && !older)
        return in.refuse(row.name, "must be native, legacy, or both joined by a comma (tonel and "
                                   "phantun mean legacy)");
      if (std::find(seen.begin(), seen.end(), item) != seen.end())
        return in.refuse(row.name, "names " + std::string{item} + " twice");
      seen.push_back(item);
      (older ? legacy : native) = true;
    }
    out.accept_native = native;
    out.accept_legacy = legacy;
  }

  void operator()(std::vector<ip_net> tunnel_config::*member) const {
    const auto text = in.text(row.name);
    if (text.empty()) return;
    std::vector<ip_net> nets;
    for (std::size_t begin = 0; begin <= text.size();) {
      const auto end = std::min(text.find(',', begin), text.size());
      const auto item = without_blanks(text.substr(begin, end - begin));
      begin = end + 1;
      const auto net = ip_net::parse(item);
      auto problem = net_problem(net, item);
      if (problem.empty() && std::find(nets.begin(), nets.end(), *net) != nets.end())
        problem = "names " + std::string{item} + " twice";
      if (problem.empty())
        nets.push_back(*net);
      else
        in.refuse(row.name, std::move(problem));
    }
    if (nets.size() > most_nets)
      in.refuse(row.name, "must be at most " + std::to_string(most_nets) + " nets");
    out.*member = std::move(nets);
  }

  void operator()(std::shared_ptr<const octets> tunnel_config::*) const { note_file(); }

  void operator()(std::shared_ptr<const protocol::xor_cipher> tunnel_config::*member) const {
    if (is_file(row)) return note_file();
    if (!in.given(row.name)) return;
    auto cipher = parse_encryption(in.text(row.name));
    if (cipher)
      out.*member = std::move(*cipher);
    else
      in.refuse(row.name, std::move(cipher.error()));
  }

  void note_file() const {
    if (in.given(row.name)) files[row.name] = in.file(row.name);
  }
};

/// Whether another row for the same member comes from a stronger place, and so counts instead.
bool yields(reader& in, const tunnel_row& row) {
  for (const auto& other : tunnel_rows) {
    if (&other == &row || other.member != row.member) continue;
    const auto& first = &row < &other ? row : other;
    const auto& second = &row < &other ? other : row;
    if (in.stronger(first.option.name, second.option.name) != row.option.name) return true;
  }
  return false;
}

std::string key_problem(const sys::os_error& error, const std::string& path) {
  if (error.number == EPERM) return "must be closed to others: chmod go-w,o-rwx it";
  if (error.number == EFBIG) return "is no key, it is too long";
  if (error.number == ETIMEDOUT) return "cannot be read: nobody writes into this pipe";
  if (error.number == ENOENT && path.rfind("/run/credentials/", 0) == 0)
    return "is there only while the service runs (LoadCredential=): for --check, name the file "
           "itself by "
           "--encryption-file behind it";
  return "cannot be read: " + error.to_string();
}

/// Reads the file of one row into a tunnel.
struct file_reading {
  const named_file& file;
  const config& run;
  tunnel_config& out;
  std::vector<option_error>& errors;

  void operator()(std::shared_ptr<const octets> tunnel_config::*member) const {
    if (auto packet = read_handshake_packet(file, run, out))
      out.*member = std::move(*packet);
    else
      errors.push_back(std::move(packet.error()));
  }
  void operator()(std::shared_ptr<const protocol::xor_cipher> tunnel_config::*member) const {
    auto content = sys::read_private_file(file.path, longest_key_file);
    if (!content) return refuse(key_problem(content.error(), file.path));
    while (!content->empty() && (content->back() == '\n' || content->back() == '\r'))
      content->pop_back();
    auto cipher = parse_encryption(*content);
    if (!cipher) return refuse("the content " + cipher.error());
    out.*member = std::move(*cipher);
  }
  template <class Other> void operator()(Other) const {} // no row of another type has a file

  void refuse(std::string problem) const {
    errors.push_back({file.option, file.path, std::move(problem), file.place});
  }
};

std::string remote_text(const host_port& remote) {
  const bool v6 = remote.host.find(':') != std::string::npos;
  return (v6 ? "[" + remote.host + "]" : remote.host) + ":" + std::to_string(remote.port);
}

/// Shows the value of one row.
struct row_showing {
  const option_row& row;
  role side;
  const tunnel_config& tunnel;

  std::string operator()(local_members) const {
    if (side == role::server) return std::to_string(tunnel.local_port);
    return tunnel.local_udp.to_string();
  }
  std::string operator()(accept_members) const {
    if (!tunnel.accept_legacy) return "native";
    return tunnel.accept_native ? "native,legacy" : "legacy";
  }
  std::string operator()(host_port tunnel_config::*member) const {
    return remote_text(tunnel.*member);
  }
  std::string operator()(std::chrono::seconds tunnel_config::*member) const {
    const auto value = (tunnel.*member).count();
    return value == 0 && row.least > 0 ? std::string{} : std::to_string(value);
  }
  std::string operator()(std::size_t tunnel_config::*member) const {
    return std::to_string(tunnel.*member);
  }
  std::string operator()(wire_choice tunnel_config::*member) const {
    return std::string{choice_at(row, static_cast<std::size_t>(tunnel.*member))};
  }
  std::string operator()(std::vector<ip_net> tunnel_config::*member) const {
    std::string out;
    for (const auto& net : tunnel.*member)
      out += (out.empty() ? "" : ",") + net.to_string();
    return out;
  }
  std::string operator()(std::shared_ptr<const octets> tunnel_config::*member) const {
    const auto& content = tunnel.*member;
    return content ? "of " + std::to_string(content->size()) + " bytes" : std::string{};
  }
  std::string operator()(std::shared_ptr<const protocol::xor_cipher> tunnel_config::*member) const {
    return tunnel.*member && !is_file(row) ? "xor (key not shown)" : "";
  }
};

} // namespace

tunnel_config read_tunnel(reader& in, role side, const tun_config& tun, tunnel_files& files) {
  tunnel_config out;
  for (const auto& row : tunnel_rows) {
    if (yields(in, row)) continue;
    // Options that this program does not use are checked, too.
    tunnel_config unused;
    std::visit(row_reading{in, row.option, side, tun, row.option.used(side) ? out : unused, files},
               row.member);
  }
  return out;
}

void take_files(const tunnel_files& files, const config& run, tunnel_config& tunnel,
                std::vector<option_error>& errors) {
  for (const auto& [name, file] : files)
    for (const auto& row : tunnel_rows)
      if (name == row.option.name) std::visit(file_reading{file, run, tunnel, errors}, row.member);
}

std::string shown_value(const tunnel_row& row, role side, const tunnel_config& tunnel) {
  return std::visit(row_showing{row.option, side, tunnel}, row.member);
}

std::string tunnel_summary(role side, const tunnel_config& tunnel) {
  std::string local, remote, rest;
  const auto add = [&rest](std::initializer_list<std::string_view> parts) {
    for (const auto part : parts)
      rest += part;
  };
  for (const auto& row : tunnel_rows) {
    const std::string name{row.option.name};
    const auto value = shown_value(row, side, tunnel);
    if (name == "local")
      local = (side == role::server ? "TCP port " : "") + value;
    else if (name == "remote")
      remote = value;
    else if (row.option.used(side) && !value.empty() && value != row.option.preset.of(side))
      add({", ", name, " ", value});
  }
  return local + " -> " + remote + rest;
}

} // namespace tonel::actors::app
