#include "system/ruleset.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tonel::sys {

namespace {

using json = nlohmann::json;

enum class truth : unsigned char { no, maybe, yes };

truth both(truth a, truth b) { return std::min(a, b); }
truth negate(truth a) {
  return a == truth::yes ? truth::no : a == truth::no ? truth::yes : truth::maybe;
}

std::string text_of(const json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string{};
}

unsigned long number_of(const json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_number_unsigned() ? at->get<unsigned long>() : 0;
}

/// Whether the name in a rule, "eth0" or "eth*", matches.
truth names(const std::string& pattern, const std::string& name) {
  if (name.empty()) return truth::maybe;
  const bool open = !pattern.empty() && pattern.back() == '*';
  const bool same = open ? name.compare(0, pattern.size() - 1, pattern, 0, pattern.size() - 1) == 0
                         : pattern == name;
  return same ? truth::yes : truth::no;
}

/// Whether the right side of a match is a value, or contains one, for which `same` holds.
template <class Same> truth is_in(const json& right, Same same) {
  const json* list = right.is_array() ? &right : nullptr;
  if (right.is_object() && right.contains("set") && right["set"].is_array()) list = &right["set"];
  if (list == nullptr) return same(right);
  auto out = truth::no;
  for (const auto& each : *list)
    out = std::max(out, is_in(each, same));
  return out;
}

/// Whether a name, or one of a number of names, matches.
truth is_name(const json& right, const std::string& name) {
  return is_in(right, [&](const json& value) {
    if (!value.is_string()) return truth::maybe;
    const auto pattern = value.get<std::string>();
    // A set with a name of its own, whose content is elsewhere.
    return pattern.rfind('@', 0) == 0 ? truth::maybe : names(pattern, name);
  });
}

truth is_address(const json& right, const protocol::ip_address& address) {
  if (!address) return truth::maybe;
  return is_in(right, [&](const json& value) {
    const bool prefix =
        value.is_object() && value.contains("prefix") && value["prefix"].is_object();
    const auto text = prefix              ? text_of(value["prefix"], "addr")
                      : value.is_string() ? value.get<std::string>()
                                          : std::string{};
    const auto found = protocol::ip_address::parse(text);
    if (!found) return truth::maybe;
    const auto bits = prefix ? static_cast<unsigned>(number_of(value["prefix"], "len"))
                             : static_cast<unsigned>(8 * found->size());
    const bool same = found->is_v6() == address.is_v6() && address.network(bits) == *found;
    return same ? truth::yes : truth::no;
  });
}

truth is_port(const json& right, std::uint16_t port) {
  if (port == 0) return truth::maybe;
  return is_in(right, [&](const json& value) {
    const auto* range = value.is_object() && value.contains("range") ? &value["range"] : nullptr;
    if (range != nullptr && range->is_array() && range->size() == 2 &&
        (*range)[0].is_number_unsigned() && (*range)[1].is_number_unsigned())
      return port >= (*range)[0] && port <= (*range)[1] ? truth::yes : truth::no;
    if (!value.is_number_unsigned()) return truth::maybe;
    return value.get<unsigned long>() == port ? truth::yes : truth::no;
  });
}

/// A field of the packet's headers.
truth is_field(const json& payload, const json& right, const forwarded_packet& packet) {
  const auto of = text_of(payload, "protocol"), field = text_of(payload, "field");
  const auto& known = packet.source.address ? packet.source.address : packet.destination.address;
  if (of == "ip" || of == "ip6") {
    // A rule about the other family's headers does not match.
    if (known && known.is_v6() != (of == "ip6")) return truth::no;
    if (field == "saddr") return is_address(right, packet.source.address);
    if (field == "daddr") return is_address(right, packet.destination.address);
    if (field == "protocol" || field == "nexthdr") return is_name(right, "tcp");
    return truth::maybe;
  }
  if (of == "udp" || of == "icmp" || of == "icmpv6" || of == "sctp") return truth::no;
  if (of != "tcp" && of != "th") return truth::maybe;
  if (field == "sport") return is_port(right, packet.source.port);
  if (field == "dport") return is_port(right, packet.destination.port);
  return truth::maybe;
}

truth matches(const json& match, const std::string& family, const forwarded_packet& packet) {
  const auto left = match.find("left"), right = match.find("right");
  if (left == match.end() || right == match.end() || !left->is_object()) return truth::maybe;
  std::string key;
  if (left->contains("meta")) key = "meta " + text_of((*left)["meta"], "key");
  if (left->contains("ct")) key = "ct " + text_of((*left)["ct"], "key");
  auto out = truth::maybe;
  if (key == "meta iifname" || key == "meta iif") out = is_name(*right, packet.in);
  if (key == "meta oifname" || key == "meta oif") out = is_name(*right, packet.out);
  if (key == "ct state") out = is_name(*right, packet.state);
  if (key == "ct status" && is_name(*right, "dnat") == truth::yes)
    out = packet.dnat ? truth::yes : truth::no;
  if (key == "meta l4proto") out = is_name(*right, "tcp");
  if (key == "meta nfproto") {
    const auto& known = packet.source.address ? packet.source.address : packet.destination.address;
    if (family != "inet")
      out = is_name(*right, family == "ip" ? "ipv4" : "ipv6");
    else if (known)
      out = is_name(*right, known.is_v6() ? "ipv6" : "ipv4");
  }
  if (left->contains("payload") && (*left)["payload"].is_object())
    out = is_field((*left)["payload"], *right, packet);
  const auto op = text_of(match, "op");
  if (op == "!=") return negate(out);
  return op == "==" || op == "in" || op.empty() ? out : truth::maybe;
}

/// Whether a statement has no effect on the rest of its rule.
bool is_harmless(const std::string& statement) {
  static const std::string names[] = {"counter", "log", "mangle", "comment", "flow", "notrack"};
  return std::find(std::begin(names), std::end(names), statement) != std::end(names);
}

/// The comment that iptables keeps with a rule, a match that always holds.
bool is_comment(const std::string& statement, const json& value) {
  return statement == "xt" && value.is_object() && text_of(value, "type") == "match" &&
         text_of(value, "name") == "comment";
}

/// Whether a rule has one of these statements.
bool holds(const json& statements, const std::vector<std::string>& names) {
  return std::any_of(statements.begin(), statements.end(), [&](const json& each) {
    return each.is_object() && !each.empty() &&
           std::find(names.begin(), names.end(), each.begin().key()) != names.end();
  });
}

} // namespace

/// The way of one packet through one base chain.
class walker {
public:
  walker(const ruleset& rules, const forwarded_packet& packet) : rules_(rules), packet_(packet) {}

  chain_verdict base(const ruleset::chain& chain) {
    auto end = walk(chain, 0, truth::yes);
    if (end == fate::through && chain.policy == "drop") {
      end = fate::dropped;
      by_ = "its policy";
    }
    chain_verdict out{
        chain_verdict::fate::passes, chain.family, chain.table, chain.name, by_, rejects_};
    if (end == fate::dropped)
      out.what = may_accept_ ? chain_verdict::fate::unsure : chain_verdict::fate::dropped;
    return out;
  }

private:
  enum class fate : unsigned char { through, accepted, dropped };

  fate walk(const ruleset::chain& chain, int depth, truth reached) {
    if (depth > 16) return fate::through; // the kernel's own limit (NFT_JUMP_STACK_SIZE)
    for (const auto& rule : chain.rules) {
      bool leave = false;
      const auto end = take(chain, rule, depth, reached, leave);
      if (end != fate::through || leave) return end;
    }
    return fate::through;
  }

  /// leave: the rest of the chain is skipped
  fate take(const ruleset::chain& chain, const ruleset::rule& rule, int depth, truth reached,
            bool& leave) {
    auto sure = reached;
    for (const auto& each : json::parse(rule.expressions, nullptr, false)) {
      if (!each.is_object() || each.empty()) continue;
      const auto& what = each.begin().key();
      const auto& value = each.begin().value();
      if (what == "match") {
        sure = both(sure, matches(value, chain.family, packet_));
        if (sure == truth::no) return fate::through;
      } else if (what == "accept") {
        if (sure == truth::yes) return fate::accepted;
        may_accept_ = true;
      } else if (what == "drop" || what == "reject") {
        if (sure != truth::yes) return fate::through; // unsure: the packet may pass
        by_ = rule.text.empty() ? "the rule with handle " + std::to_string(rule.handle) +
                                      " in chain " + chain.name
                                : "the rule " + rule.text;
        rejects_ = what == "reject";
        return fate::dropped;
      } else if (what == "jump" || what == "goto") {
        const auto* target = rules_.find(chain, text_of(value, "target"));
        const auto end = target != nullptr ? walk(*target, depth + 1, sure) : fate::through;
        if (end != fate::through) return end;
        leave = what == "goto" && sure == truth::yes;
        return end;
      } else if (what == "return") {
        leave = sure == truth::yes;
        return fate::through;
      } else if (!is_harmless(what) && !is_comment(what, value)) {
        sure = both(sure, truth::maybe); // a limit, a map of verdicts, iptables' own matches
        if (what == "vmap") may_accept_ = true;
      }
    }
    return fate::through;
  }

  const ruleset& rules_;
  const forwarded_packet& packet_;
  std::string by_;
  bool may_accept_ = false, rejects_ = false;
};

std::optional<ruleset> ruleset::parse(const std::string& text) {
  const auto whole = json::parse(text, nullptr, false);
  if (!whole.is_object() || !whole.contains("nftables") || !whole["nftables"].is_array()) return {};
  ruleset out;
  for (const auto& each : whole["nftables"]) {
    if (const auto c = each.find("chain"); c != each.end())
      out.chains_.push_back({text_of(*c, "family"),
                             text_of(*c, "table"),
                             text_of(*c, "name"),
                             text_of(*c, "type"),
                             text_of(*c, "hook"),
                             text_of(*c, "policy"),
                             {}});
  }
  for (const auto& each : whole["nftables"]) {
    const auto r = each.find("rule");
    if (r == each.end() || !r->is_object()) continue;
    for (auto& c : out.chains_)
      if (c.family == text_of(*r, "family") && c.table == text_of(*r, "table") &&
          c.name == text_of(*r, "chain"))
        c.rules.push_back(
            {number_of(*r, "handle"), r->value("expr", json::array()).dump(), text_of(*r, "text")});
  }
  return out;
}

void ruleset::merge(const ruleset& better) {
  for (const auto& each : better.chains_) {
    const auto at = std::find_if(chains_.begin(), chains_.end(), [&](const chain& c) {
      return c.family == each.family && c.table == each.table && c.name == each.name;
    });
    if (at != chains_.end())
      at->rules = each.rules;
    else
      chains_.push_back(each);
  }
}

const ruleset::chain* ruleset::find(const chain& near, const std::string& name) const {
  const auto at = std::find_if(chains_.begin(), chains_.end(), [&](const chain& c) {
    return c.family == near.family && c.table == near.table && c.name == name;
  });
  return at != chains_.end() ? &*at : nullptr;
}

std::vector<chain_verdict> ruleset::stopping(const std::string& hook,
                                             const forwarded_packet& packet) const {
  std::vector<chain_verdict> out;
  for (const auto& c : chains_) {
    const bool of_ip = c.family == "ip" || c.family == "ip6" || c.family == "inet";
    if (c.hook != hook || c.type == "nat" || !of_ip) continue;
    const auto& known = packet.source.address ? packet.source.address : packet.destination.address;
    if (known && c.family == (known.is_v6() ? "ip" : "ip6")) continue;
    auto verdict = walker{*this, packet}.base(c);
    if (verdict.what != chain_verdict::fate::passes) out.push_back(std::move(verdict));
  }
  return out;
}

bool ruleset::translates(bool source) const {
  for (const auto& c : chains_) {
    auto keys =
        source ? std::vector<std::string>{"masquerade", "snat"} : std::vector<std::string>{"dnat"};
    // Targets of iptables are shown as "xt" only.
    if (c.table.rfind("nat", 0) == 0) keys.emplace_back("xt");
    for (const auto& r : c.rules)
      if (holds(json::parse(r.expressions, nullptr, false), keys)) return true;
  }
  return false;
}

bool ruleset::has_chain(const std::string& family, const std::string& table,
                        const std::string& name) const {
  return std::any_of(chains_.begin(), chains_.end(), [&](const chain& c) {
    return c.family == family && c.table == table && c.name == name;
  });
}

} // namespace tonel::sys
