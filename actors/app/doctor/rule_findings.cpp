#include "actors/app/doctor/rule_findings.hpp"

#include "system/forward_obstacles.hpp"
#include "system/ruleset.hpp"

#include <algorithm>
#include <utility>

namespace tonel::actors::app {

namespace {

using level = finding::level;
using sys::chain_verdict;
using sys::ruleset;

bool is_client(const doctor_target& target) { return target.side == role::client; }

/// The host's rules: iptables' as it shows them itself.
std::optional<ruleset> rules_of(const sys::host_facts& facts) {
  auto rules = ruleset::parse(facts.ruleset);
  for (const auto& text : facts.iptables)
    if (const auto better = ruleset::parse(text); rules && better) rules->merge(*better);
  return rules;
}

/// As much of the plan of the program's own rules as tells its packets.
sys::rule_plan plan_of(const doctor_target& target) {
  sys::rule_plan out;
  out.server = !is_client(target);
  out.tun = target.tun.empty() ? "tun0" : target.tun;
  out.peer4 = target.ends4.peer;
  if (target.ipv6) out.peer6 = target.ends6.peer;
  if (target.local_port != 0) out.ports = {target.local_port};
  if (target.remote) out.remotes = {*target.remote};
  return out;
}

std::string name_of(const chain_verdict& at) { return at.family + ' ' + at.table + ' ' + at.chain; }

finding finding_of(const sys::obstacle& found) {
  const auto& at = found.at;
  const std::string does = at.rejects ? " rejects" : " drops";
  if (at.what == chain_verdict::fate::unsure)
    return {level::note, "forward",
            "the chain " + name_of(at) + does + " by " + at.by +
                ", after rules of which only a packet shows whether they let the tunnel pass",
            found.commands};
  return {level::fault, "forward",
          "the chain " + name_of(at) + does + " the tunnel's packets, by " + at.by, found.commands};
}

finding untranslated(const doctor_target& target) {
  std::string text = is_client(target)
                         ? "no rule gives the packets of the TUN device the host's address"
                         : "no rule directs the clients' packets to the TUN device";
  if (target.rule_commands.empty())
    text += "; " + program_of(target) + " prints the commands when it starts";
  const auto is = target.running ? level::fault : level::note;
  return {is, "translation", std::move(text), target.rule_commands};
}

} // namespace

std::vector<finding> forward_findings(const doctor_target& target, const sys::host_facts& facts) {
  std::vector<finding> out;
  if (facts.legacy_iptables)
    out.push_back({level::note,
                   "forward",
                   "there are rules of the old iptables, which can't be read here "
                   "(iptables-legacy -S FORWARD shows them)",
                   {}});
  const auto rules = rules_of(facts);
  if (!rules) {
    out.push_back({level::note,
                   "forward",
                   "the firewall's rules cannot be read" +
                       (facts.ruleset_error.empty() ? "" : " (" + facts.ruleset_error + ')') +
                       "; run this as root",
                   {}});
    return out;
  }
  sys::obstacle_search how;
  how.backend = target.sets_rules ? target.backend : sys::backend_kind::owned;
  how.network4 = how.network6 = facts.uplink;
  how.has_iptables = facts.has_iptables;
  how.all_hooks = true;
  const auto all = sys::find_obstacles(*rules, plan_of(target), how);
  for (const auto& each : all) {
    auto found = finding_of(each);
    // Both families' chains of one firewall are mended at once.
    const auto same = std::find_if(out.begin(), out.end(), [&](const finding& f) {
      return f.is == found.is && f.mend == found.mend && !f.mend.empty();
    });
    if (same == out.end())
      out.push_back(std::move(found));
    else
      same->text += "; so does " + name_of(each.at);
  }
  if (all.empty())
    out.push_back({level::fine, "forward", "no firewall rule stops the tunnel's packets", {}});
  return out;
}

std::vector<finding> translation_findings(const doctor_target& target,
                                          const sys::host_facts& facts) {
  const auto rules = rules_of(facts);
  if (!rules) return {}; // another finding tells this
  const auto fine = [](std::string text) {
    return std::vector<finding>{{level::fine, "translation", std::move(text), {}}};
  };
  const auto in_place = std::any_of(target.parts.begin(), target.parts.end(), [](const auto& part) {
    return part.name == "firewall" && part.state == "ok";
  });
  const auto& tables = facts.own_tables;
  if (in_place || std::find(tables.begin(), tables.end(), "tonel_" + target.tun) != tables.end())
    return fine("the rules of " + program_of(target) + " are in place");
  if (rules->translates(is_client(target))) return fine("there are rules that translate addresses");
  if (target.sets_rules && !target.running)
    return fine(program_of(target) + " sets its rules itself (--auto-rule)");
  if (facts.legacy_iptables) return {};
  return {untranslated(target)};
}

std::vector<finding> packet_filter_findings(const doctor_target& target,
                                            const sys::host_facts& facts) {
  if (!facts.pf)
    return {{level::note,
             "forward",
             "pf's rules cannot be read (" + facts.ruleset_error + "); run this as root",
             {}}};
  std::vector<finding> out;
  const auto& pf = *facts.pf;
  if (pf.looks_into_anchors)
    out.push_back(
        {level::fine, "forward", "pf looks into the anchors that tonel's rules lie in", {}});
  else
    out.push_back(
        {level::fault,
         "forward",
         "pf does not look into the anchors of com.apple, where tonel's rules lie; /etc/pf.conf "
         "must have its lines nat-anchor, rdr-anchor and anchor \"com.apple/*\"",
         {"pfctl -f /etc/pf.conf"}});
  if (pf.anchors.empty())
    out.push_back(untranslated(target));
  else if (pf.on)
    out.push_back({level::fine,
                   "translation",
                   "there are rules that translate addresses, in com.apple/" + pf.anchors.front(),
                   {}});
  else
    out.push_back(
        {level::fault,
         "translation",
         "pf is off, so that the rules in com.apple/" + pf.anchors.front() + " do nothing",
         {"pfctl -E"}});
  return out;
}

} // namespace tonel::actors::app
