#include "system/forward_obstacles.hpp"

#include <algorithm>
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

packet_pair packets_of(const rule_plan& plan, bool v6) {
  const auto& peer = v6 ? plan.peer6 : plan.peer4;
  const auto& network = v6 ? plan.interface6 : plan.interface4;
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
  }
  return {first, answer_to(first)};
}

bool same_chain(const chain_verdict& a, const chain_verdict& b) {
  return a.family == b.family && a.table == b.table && a.chain == b.chain;
}

/// The commands that let the TUN's packets pass, by the program that has the chain.
std::vector<std::string> commands_for(const ruleset& rules, const chain_verdict& at,
                                      const std::string& tun) {
  if (at.table == "firewalld")
    return {"firewall-cmd --zone=trusted --add-interface=" + tun,
            "firewall-cmd --permanent --zone=trusted --add-interface=" + tun};
  for (const auto* chain : {"ufw-user-forward", "ufw6-user-forward"})
    if (rules.has_chain(at.family, at.table, chain))
      return {"ufw route allow in on " + tun, "ufw route allow out on " + tun};
  std::vector<std::string> out;
  const bool docker = rules.has_chain(at.family, at.table, "DOCKER-USER");
  for (const char* direction : {"i", "o"}) {
    if (docker)
      out.push_back((at.family == "ip6" ? "ip6tables" : "iptables") +
                    std::string{" -I DOCKER-USER -"} + direction + ' ' + tun + " -j ACCEPT");
    else
      out.push_back("nft insert rule " + at.family + ' ' + at.table + ' ' + at.chain + ' ' +
                    direction + "ifname " + tun + " accept");
  }
  return out;
}

std::string text_of(const ruleset& rules, const chain_verdict& at, const std::string& tun) {
  auto out = "the chain " + at.chain + " of table " + at.family + ' ' + at.table;
  if (at.what == fate::unsure)
    out += std::string{at.rejects ? " rejects" : " drops"} + " what it does not know";
  else
    out += std::string{at.rejects ? " rejects" : " drops"} + " the tunnel's packets";
  out += ", by " + at.by + ", whatever our table accepts. Let the tunnel pass there: ";
  const auto commands = commands_for(rules, at, tun);
  for (const auto& command : commands)
    out += (&command == &commands.front() ? "" : " and ") + command;
  return out;
}

} // namespace

std::vector<std::string> forward_obstacles(const ruleset& rules, const rule_plan& plan,
                                           backend_kind backend) {
  std::vector<chain_verdict> found;
  const auto note = [&](chain_verdict verdict) {
    // Tables of other instances say nothing about our packets.
    if (verdict.table.rfind("tonel_", 0) == 0) return;
    // iptables has our accepts in that very chain.
    if (backend == backend_kind::iptables && verdict.family != "inet" && verdict.table == "filter")
      return;
    if (std::none_of(found.begin(), found.end(),
                     [&](const auto& known) { return same_chain(known, verdict); }))
      found.push_back(std::move(verdict));
  };
  for (const bool v6 : {false, true}) {
    if (v6 && !plan.peer6) continue;
    const auto packets = packets_of(plan, v6);
    for (auto& verdict : rules.forward(packets.first))
      note(std::move(verdict));
    // Most firewalls accept answers by a rule that only they understand, as iptables' matches.
    for (auto& verdict : rules.forward(packets.answer))
      if (verdict.what == fate::dropped) note(std::move(verdict));
  }
  std::vector<std::string> out;
  out.reserve(found.size());
  for (const auto& verdict : found)
    out.push_back(text_of(rules, verdict, plan.tun));
  return out;
}

} // namespace tonel::sys
