#include "system/macos/pf_text.hpp"

#include <cerrno>
#include <set>
#include <sstream>
#include <utility>

namespace tonel::sys {

namespace {

/// "ADDRESS port PORT" of each remote of the family; names that are not resolved yet stand for any address.
std::set<std::string> remotes_of(const rule_plan& plan, bool v6) {
  std::set<std::string> out;
  for (const auto& remote : plan.remotes) {
    if (remote.address && remote.address.is_v6() != v6) continue;
    const auto address = remote.address ? remote.address.to_string() : std::string{"any"};
    out.insert(address + " port " + std::to_string(remote.port));
  }
  return out;
}

std::set<std::string> ports_of(const rule_plan& plan) {
  std::set<std::string> out;
  for (const auto port : plan.ports)
    out.insert("port " + std::to_string(port));
  return out;
}

/// The words for whom a port is for; empty: nobody of this family.
std::string sources_of(const rule_plan& plan, std::uint16_t port, bool v6) {
  const auto found = plan.allow.find(port);
  if (found == plan.allow.end() || found->second.empty()) return "any";
  std::string out;
  for (const auto& net : outermost(found->second, v6)) {
    if (net.bits == 0) return "any";
    out += (out.empty() ? "{ " : ", ") + net.to_string();
  }
  return out.empty() ? out : out + " }";
}

template <class... Parts> void add_line(std::string& out, const Parts&... parts) {
  ((out += parts), ...);
  out += '\n';
}

/// Connections begin with a SYN. One that pf has not seen begin it would track without its window
/// scale, and drop most of: better none, so that the client opens another.
void known_only(std::string& out, const std::string& match) {
  add_line(out, "pass", match, " flags S/SA keep state");
  add_line(out, "block drop", match);
}

/// Writes the rules of one family.
class family_writer {
public:
  family_writer(const rule_plan& plan, bool v6)
      : plan_{plan}, v6_{v6}, on_{" on " + (v6 ? plan.interface6 : plan.interface4)},
        host_{'(' + (v6 ? plan.interface6 : plan.interface4) + ')'},
        peer_{(v6 ? plan.peer6 : plan.peer4).to_string()}, inet_{v6 ? " inet6" : " inet"} {}

  void translation(std::string& out) const {
    if (plan_.server) {
      for (const auto port : std::set<std::uint16_t>{plan_.ports.begin(), plan_.ports.end()}) {
        const auto from = sources_of(plan_, port, v6_);
        if (!from.empty())
          add_line(out, "rdr", on_, inet_, " proto tcp from ", from, " to ", host_, " port ",
                   std::to_string(port), " -> ", peer_);
      }
      return;
    }
    // Of IPv6 an interface has several addresses, link-local ones among them.
    const auto source = v6_ ? plan_.host6.to_string() : host_;
    for (const auto& remote : remotes_of(plan_, v6_))
      add_line(out, "nat", on_, inet_, " proto tcp from ", peer_, " to ", remote, " -> ", source);
  }

  void filter(std::string& out) const {
    const auto tcp = inet_ + " proto tcp";
    if (plan_.server) {
      for (const auto& port : ports_of(plan_)) {
        std::string match = " in quick";
        for (const auto& part : {on_, tcp, std::string{" from any to "}, peer_, " " + port})
          match += part;
        known_only(out, match);
      }
    } else {
      for (const auto& remote : remotes_of(plan_, v6_)) {
        add_line(out, "pass out quick", on_, tcp, " from any to ", remote,
                 " flags S/SA keep state");
        // Of a connection that pf does not know: it would reach this host's own TCP, whose RST ends
        // the stream.
        add_line(out, "block drop in quick", on_, tcp, " from ", remote, " to any");
      }
    }
    // What was not translated would leave with the device's address; and while the program is away,
    // what peers still send to it would follow the default route out again.
    add_line(out, "block drop out quick", on_, inet_, " from ", peer_, " to any");
    add_line(out, "block drop out quick on ! ", plan_.tun, inet_, " from any to ", peer_);
  }

private:
  const rule_plan& plan_;
  bool v6_;
  std::string on_, host_, peer_, inet_;
};

result<void> check(const rule_plan& plan) {
  const auto refused = [](const char* why) { return unexpected{os_error{EOPNOTSUPP, "pf", why}}; };
  if (plan.nat == nat_mode::stateless) return refused("--nat stateless needs Linux");
  if (plan.mark) return refused("--fwmark needs Linux");
  if (plan.interface4.empty()) return refused("there is no route, and no interface was named");
  return {};
}

bool has_v6(const rule_plan& plan) {
  return plan.peer6 && !plan.interface6.empty() && (plan.server || plan.host6);
}

} // namespace

std::string pf_anchor(std::string_view table) { return "com.apple/" + std::string{table}; }

result<std::string> pf_rules(const rule_plan& plan) {
  if (auto good = check(plan); !good) return unexpected{good.error()};
  std::string out;
  // pf wants all translation in front of all filter rules.
  for (const bool v6 : {false, true})
    if (!v6 || has_v6(plan)) family_writer{plan, v6}.translation(out);
  known_only(out, " quick on " + plan.tun + " proto tcp all");
  for (const bool v6 : {false, true})
    if (!v6 || has_v6(plan)) family_writer{plan, v6}.filter(out);
  return out;
}

std::vector<std::string> pf_sysctls(const rule_plan& plan) {
  std::vector<std::string> out{"net.inet.ip.forwarding"};
  if (plan.peer6) out.emplace_back("net.inet6.ip6.forwarding");
  return out;
}

std::vector<std::string> pf_shell_commands(const rule_plan& plan) {
  std::vector<std::string> out;
  for (const auto& name : pf_sysctls(plan))
    out.push_back("sysctl -w " + name + "=1");
  const auto rules = pf_rules(plan);
  if (!rules) {
    out.push_back("# " + rules.error().to_string());
    return out;
  }
  // No rule holds a single quote: names of devices are checked, the rest is ours.
  std::string lines;
  for (std::size_t at = 0; at < rules->size();) {
    const auto end = rules->find('\n', at);
    lines += " '" + rules->substr(at, end - at) + '\'';
    at = end + 1;
  }
  out.push_back("printf '%s\\n'" + lines + " | pfctl -a " + pf_anchor(plan.table) + " -f -");
  out.emplace_back("pfctl -E");
  return out;
}

std::string pf_token(std::string_view printed) {
  const std::string_view key = "Token : ";
  const auto at = printed.find(key);
  if (at == std::string_view::npos) return {};
  const auto first = at + key.size();
  const auto end = printed.find_first_not_of("0123456789", first);
  return std::string{
      printed.substr(first, end == std::string_view::npos ? std::string_view::npos : end - first)};
}

std::vector<std::string> pf_own_anchors(const std::string& printed) {
  std::vector<std::string> out;
  std::istringstream words{printed};
  for (std::string name; words >> name;) {
    name.erase(0, name.rfind('/') + 1);
    if (name.rfind("tonel_", 0) == 0) out.push_back(std::move(name));
  }
  return out;
}

bool pf_is_on(std::string_view printed) {
  return printed.find("Status: Enabled") != std::string_view::npos;
}

bool pf_uses_anchors(std::string_view nat, std::string_view rules) {
  const auto has = [](std::string_view text, std::string_view kind) {
    return text.find(std::string{kind} + " \"com.apple/*\"") != std::string_view::npos;
  };
  return has(nat, "nat-anchor") && has(nat, "rdr-anchor") && has(rules, "anchor");
}

} // namespace tonel::sys
