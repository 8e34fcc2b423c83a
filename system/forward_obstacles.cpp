#include "system/forward_obstacles.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace tonel::sys {

namespace {

using fate = chain_verdict::fate;

/// The first packet of a connection, and the answer to it.
struct packet_pair {
  forwarded_packet first, answer;
};

forwarded_packet answer_to(const forwarded_packet& first) {
  auto out = first;
  std::swap(out.in, out.out);
  std::swap(out.source, out.destination);
  out.state = "established";
  return out;
}

packet_pair packets_of(const rule_plan& plan, bool v6, const obstacle_search& how) {
  const auto& peer = v6 ? plan.peer6 : plan.peer4;
  auto network = v6 ? plan.interface6 : plan.interface4;
  if (network.empty()) network = v6 ? how.network6 : how.network4;
  forwarded_packet first;
  first.state = "new";
  if (plan.server) {
    first.in = network;
    first.out = plan.tun;
    first.dnat = plan.nat == nat_mode::conntrack;
    first.destination = {peer, plan.ports.size() == 1 ? plan.ports.front() : std::uint16_t{0}};
  } else {
    first.in = plan.tun;
    first.out = network;
    first.source.address = peer;
    if (plan.remotes.size() == 1 && plan.remotes.front().address.is_v6() == v6)
      first.destination = plan.remotes.front();
    else if (plan.remotes.size() == 1)
      first.destination.port = plan.remotes.front().port;
  }
  return {first, answer_to(first)};
}

/// The packet as the hook before forwarding sees it: the way out is not chosen, and what comes from
/// the network may still have the host's address, which is not known here.
forwarded_packet arriving(forwarded_packet packet, const std::string& tun) {
  packet.out.clear();
  packet.state.clear(); // nor looked up, ahead of connection tracking
  if (packet.in != tun) packet.destination.address = {};
  return packet;
}

/// As the hook behind forwarding sees it: what leaves for the network may have the host's address.
forwarded_packet leaving(forwarded_packet packet, const std::string& tun) {
  if (packet.out != tun) packet.source.address = {};
  return packet;
}

bool same_chain(const chain_verdict& a, const chain_verdict& b) {
  return a.family == b.family && a.table == b.table && a.chain == b.chain;
}

/// What rules at a hook have to accept, in nftables' words.
std::vector<std::string> matches_for(const std::string& hook, const rule_plan& plan) {
  const auto sent = "iifname " + plan.tun;
  if (hook != "prerouting") return {sent, "oifname " + plan.tun};
  // Where what comes in goes is not known there yet.
  if (plan.server && plan.ports.size() == 1)
    return {sent, "tcp dport " + std::to_string(plan.ports.front())};
  if (!plan.server && plan.remotes.size() == 1)
    return {sent, "tcp sport " + std::to_string(plan.remotes.front().port)};
  return {sent};
}

/// A zone is what its devices send; what others send there takes a policy.
std::vector<std::string> firewalld_commands(const rule_plan& plan) {
  const auto trust = "--zone=trusted --add-interface=" + plan.tun;
  std::vector<std::string> out;
  if (!plan.server) out.push_back("firewall-cmd " + trust);
  out.push_back("firewall-cmd --permanent " + trust);
  if (!plan.server) return out;
  const std::string policy = "firewall-cmd --permanent --policy=tonel ";
  out.emplace_back("firewall-cmd --permanent --new-policy=tonel");
  out.push_back(policy + "--add-ingress-zone=ANY");
  out.push_back(policy + "--add-egress-zone=trusted");
  for (const auto port : plan.ports)
    out.push_back(policy + "--add-port=" + std::to_string(port) + "/tcp");
  out.emplace_back("firewall-cmd --reload");
  return out;
}

/// The commands that let the TUN's packets pass, by the program that has the chain.
std::vector<std::string> commands_for(const ruleset& rules, const chain_verdict& at,
                                      const std::string& hook, const rule_plan& plan,
                                      bool has_iptables) {
  const auto& tun = plan.tun;
  if (hook == "forward" && at.table == "firewalld") return firewalld_commands(plan);
  if (hook == "forward")
    for (const auto* chain : {"ufw-user-forward", "ufw6-user-forward"})
      if (rules.has_chain(at.family, at.table, chain))
        return {"ufw route allow in on " + tun, "ufw route allow out on " + tun};
  std::vector<std::string> out;
  // iptables keeps its tables in nftables, and refuses to list tables that it has not made.
  const bool legacy = at.table == "filter-legacy";
  const bool docker = rules.has_chain(at.family, at.table, "DOCKER-USER");
  const bool iptables = docker || legacy || (has_iptables && at.table == "filter");
  if (iptables && hook == "forward" && at.chain == "FORWARD") {
    const auto head = std::string{at.family == "ip6" ? "ip6tables" : "iptables"} +
                      (legacy ? "-legacy -I " : " -I ") + (docker ? "DOCKER-USER" : at.chain);
    return {head + " -i " + tun + " -j ACCEPT", head + " -o " + tun + " -j ACCEPT"};
  }
  for (const auto& match : matches_for(hook, plan))
    out.push_back("nft insert rule " + at.family + ' ' + at.table + ' ' + at.chain + ' ' + match +
                  " accept");
  return out;
}

std::string text_of(const obstacle& found) {
  const auto& at = found.at;
  auto out = "the chain " + at.chain + " of table " + at.family + ' ' + at.table;
  if (at.what == fate::unsure)
    out += std::string{at.rejects ? " rejects" : " drops"} + " what it does not know";
  else
    out += std::string{at.rejects ? " rejects" : " drops"} + " the tunnel's packets";
  out += ", by " + at.by + ", whatever our table accepts. Let the tunnel pass there: ";
  for (const auto& command : found.commands)
    out += (&command == &found.commands.front() ? "" : " and ") + command;
  return out;
}

/// What stops one packet, at the hooks that are looked at.
template <class Note>
void each_stop(const ruleset& rules, const forwarded_packet& packet, const std::string& tun,
               bool all_hooks, Note note) {
  for (auto& verdict : rules.forward(packet))
    note("forward", std::move(verdict));
  if (!all_hooks) return;
  for (auto& verdict : rules.stopping("prerouting", arriving(packet, tun)))
    note("prerouting", std::move(verdict));
  for (auto& verdict : rules.stopping("postrouting", leaving(packet, tun)))
    note("postrouting", std::move(verdict));
}

} // namespace

std::vector<obstacle> find_obstacles(const ruleset& rules, const rule_plan& plan,
                                     const obstacle_search& how) {
  std::vector<obstacle> out;
  const auto note = [&](const char* hook, chain_verdict verdict) {
    // Tables of other instances say nothing about our packets.
    if (verdict.table.rfind("tonel_", 0) == 0) return;
    // iptables has our accepts in that very chain.
    if (how.backend == backend_kind::iptables && verdict.family != "inet" &&
        verdict.table == "filter")
      return;
    // Ahead of forwarding and behind it firewalls check much that is not known here.
    if (verdict.what == fate::unsure && std::string_view{hook} != "forward") return;
    const auto known = std::find_if(out.begin(), out.end(),
                                    [&](const auto& o) { return same_chain(o.at, verdict); });
    if (known == out.end())
      out.push_back({verdict, hook, commands_for(rules, verdict, hook, plan, how.has_iptables)});
    else if (verdict.what == fate::dropped && known->at.what == fate::unsure)
      known->at = std::move(verdict);
  };
  for (const bool v6 : {false, true}) {
    if (v6 && !plan.peer6) continue;
    const auto packets = packets_of(plan, v6, how);
    each_stop(rules, packets.first, plan.tun, how.all_hooks, note);
    // Most firewalls accept answers by a rule that only they understand, as iptables' matches.
    each_stop(rules, packets.answer, plan.tun, how.all_hooks, [&](const char* hook, auto verdict) {
      if (verdict.what == fate::dropped) note(hook, std::move(verdict));
    });
  }
  return out;
}

std::vector<std::string> forward_obstacles(const ruleset& rules, const rule_plan& plan,
                                           backend_kind backend) {
  obstacle_search how;
  how.backend = backend;
  std::vector<std::string> out;
  for (const auto& found : find_obstacles(rules, plan, how))
    out.push_back(text_of(found));
  return out;
}

} // namespace tonel::sys
