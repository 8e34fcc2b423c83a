#include "actors/app/settings/value_rules.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace tonel::actors::app {

namespace {

using protocol::ip_address;

constexpr const char* martian = "must not be loopback: packets from a TUN device to a loopback "
                                "address are martian, and the kernel drops them";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_link_local_v6(const ip_address& a) {
  return a.is_v6() && a.data()[0] == 0xfe && (a.data()[1] & 0xc0) == 0x80;
}

/// The octets of the network part of a TUN's address: a /24 or a /64.
std::size_t network_octets(const ip_address& a) { return a.is_v4() ? 3 : 8; }

/// Whether it is the network's own address (IPv6: subnet-router anycast) or its broadcast.
bool is_no_host(const ip_address& a) {
  const auto* host = a.data() + network_octets(a);
  const auto* end = a.data() + a.size();
  const bool zero = std::all_of(host, end, [](auto o) { return o == 0; });
  return zero || (a.is_v4() && *host == 255);
}

/// The problem of a host name; does not resolve it.
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

/// Calls f(word, index) for each choice, until it gives true.
template <class F> void each_choice(const option_row& row, F&& f) {
  std::size_t index = 0;
  for (std::string_view rest = row.choices; !rest.empty(); ++index) {
    const auto word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size() + 1);
    if (f(word, index)) return;
  }
}

} // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (text.empty() || text.size() > 18 || (text.size() > 1 && text.front() == '0')) return {};
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return {};
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto value = parse_number(text);
  if (!value || *value < 1 || *value > 65'535) return {};
  return static_cast<std::uint16_t>(*value);
}

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

std::string lower_case(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

bool is_choice(const option_row& row, std::string_view text) {
  return choice_of(row, text).has_value();
}

std::optional<std::size_t> choice_of(const option_row& row, std::string_view text) {
  std::optional<std::size_t> out;
  each_choice(row, [&](std::string_view word, std::size_t index) {
    if (word == text) out = index;
    return out.has_value();
  });
  return out;
}

std::string_view choice_at(const option_row& row, std::size_t index) {
  std::string_view out;
  each_choice(row, [&](std::string_view word, std::size_t at) {
    if (at == index) out = word;
    return at == index;
  });
  return out;
}

std::string choices_text(const option_row& row) {
  std::string out;
  each_choice(row, [&](std::string_view word, std::size_t index) {
    const bool last = choice_at(row, index + 1).empty();
    if (index > 0) out += last ? " or " : ", ";
    out += word;
    return false;
  });
  return out;
}

std::string range_text(const option_row& row) {
  return std::to_string(row.least) + " to " + std::to_string(row.most);
}

bool is_v4_mapped(const ip_address& a) {
  static constexpr std::uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return a.is_v6() && std::equal(std::begin(prefix), std::end(prefix), a.data());
}

bool is_multicast_or_broadcast(const ip_address& a) {
  if (a.is_v6()) return a.data()[0] == 0xff;
  return a.is_v4() && (a.data()[0] >= 224);
}

bool same_network(const ip_address& a, const ip_address& b) {
  if (a.size() != b.size() || a.size() == 0) return false;
  return std::equal(a.data(), a.data() + network_octets(a), b.data());
}

std::string device_address_problem(const std::optional<ip_address>& a, bool v6) {
  if (!a || a->is_v6() != v6) return v6 ? "must be an IPv6 address" : "must be an IPv4 address";
  if (a->is_wildcard() || a->is_loopback() || is_multicast_or_broadcast(*a) || is_v4_mapped(*a) ||
      is_link_local_v6(*a) || (a->is_v4() && a->data()[0] == 0))
    return "cannot be the address of a device";
  if (is_no_host(*a))
    return v6 ? "has no host part (the last 64 bits)"
              : "must not end with .0 or .255, which are no hosts of the /24";
  return {};
}

std::string local_problem(const std::optional<protocol::endpoint>& local) {
  if (!local) return "must be IPv4:PORT or [IPv6]:PORT, the address a literal, the port 1 to 65535";
  if (local->port == 0) return "must have a port of 1 to 65535";
  if (is_v4_mapped(local->address)) return "must be written as IPv4";
  if (is_multicast_or_broadcast(local->address)) return "must be an address of this host";
  return {};
}

std::string remote_problem(const ip_address& a, role side, const tun_config& tun) {
  if (is_v4_mapped(a)) return "must be written as IPv4";
  if (is_link_local_v6(a)) return "must not be link-local, an interface cannot be named";
  if (is_multicast_or_broadcast(a)) return "must be the address of one host";
  // Datagrams to the upstream leave by an ordinary socket, which may send anywhere.
  if (side == role::server) return {};
  if (a.is_loopback()) return martian;
  if (a.is_wildcard()) return "must be the address of one host";
  if (a.is_v6() && !tun.ipv6) return "is IPv6, which --ipv4-only excludes";
  const bool chosen = a.is_v6() ? tun.chosen6 : tun.chosen4;
  if (chosen && (a == tun.local4 || a == tun.peer4 || a == tun.local6 || a == tun.peer6))
    return "is an address of the TUN device; choose other --tun-local and --tun-peer";
  return {};
}

std::string remote_problem(std::string_view name, role side) {
  return side == role::client && names_loopback(name) ? martian : name_problem(name);
}

std::string net_problem(const std::optional<protocol::ip_net>& net, std::string_view text) {
  const std::string typed{text};
  if (!net)
    return "must be nets or addresses joined by commas, such as 192.0.2.0/24,2001:db8::/32; " +
           (typed.empty() ? "one is empty" : typed + " is none");
  const auto& first = net->address;
  if (is_v4_mapped(first)) return "must have " + typed + " written as IPv4";
  if (first.network(net->bits) == first) return {};
  return "has " + typed + ", of which only the first " + std::to_string(net->bits) +
         " bits count: is it " + net->to_string() + ", or the one address " + first.to_string() +
         "?";
}

/// Stricter than the kernel: the name becomes part of firewall rules and of commands that users
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

} // namespace tonel::actors::app
