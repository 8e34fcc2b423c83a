#include "actors/app/settings/host_commands.hpp"

#include "protocol/address.hpp"
#include "system/direct_rules.hpp"
#include "system/host_ways.hpp"
#include "system/instance_state.hpp"
#include "system/resolver.hpp"

#include <utility>
#include <vector>

namespace tonel::actors::app {

namespace {

using protocol::ip_address;

// For --print-rules, if the kernel chooses the name.
constexpr std::string_view stand_in = "tun0";

bool has_own_name(const tun_config& tun) {
  return tun.fd < 0 && !tun.name.empty() && tun.name.find('%') == std::string::npos;
}

/// The name of the table, the same at each start: so not from a device name that the kernel
/// chooses, but from the address, which no two processes share.
std::string table_of(const tun_config& tun) {
  return "tonel_" + (has_own_name(tun) ? tun.name : tun.peer4.to_string());
}

} // namespace

sys::rule_request rule_request_of(const settings& chosen, std::string_view tun) {
  const auto& run = chosen.run;
  sys::rule_request out;
  auto& plan = out.plan;
  plan.server = run.side == role::server;
  plan.table = table_of(run.tun);
  plan.tun = std::string{tun};
  plan.peer4 = run.tun.peer4;
  if (run.tun.ipv6) plan.peer6 = run.tun.peer6;
  plan.nat = chosen.firewall.nat;
  plan.mark = chosen.firewall.mark;
  for (const auto& tunnel : run.tunnels) {
    if (plan.server) {
      plan.ports.push_back(tunnel->local_port);
      if (!tunnel->allow.empty()) plan.allow[tunnel->local_port] = tunnel->allow;
    } else {
      plan.remotes.push_back(
          {ip_address::parse(tunnel->remote.host).value_or(ip_address{}), tunnel->remote.port});
    }
  }
  out.interface = chosen.firewall.interface;
  out.reply_by_arrival = chosen.firewall.reply_by_arrival;
  return out;
}

namespace {

/// What is attached where, in place of rules.
sys::result<std::string> direct_text(const sys::rule_request& request) {
  std::vector<ip_address> remotes;
  for (const auto& remote : request.plan.remotes)
    remotes.push_back(remote.address);
  const auto facts = sys::find_ways(remotes, request.plan.mark);
  if (!facts) return unexpected{facts.error()};
  const auto plan = sys::plan_direct(request, *facts, {request.plan.tun});
  std::string out = "# No rules: --firewall bpf has programs at these devices take the packets.\n";
  for (const auto& device : plan.uplinks) {
    out += "# ingress of " + device + ": to " + plan.tun + ", TCP";
    for (const auto& port : plan.ports)
      out += (&port == &plan.ports.front() ? " to port " : ", ") + std::to_string(port.port);
    for (const auto& remote : plan.remotes)
      out +=
          (&remote == &plan.remotes.front() ? " of connections to " : ", ") + remote.at.to_string();
    out += '\n';
  }
  out += "# ingress of " + plan.tun + ": by the host's routes, as packets of this host\n";
  for (const auto& way : facts->ways)
    out += "# to " + way.remote.to_string() +
           (way.source ? " from " + way.source.to_string() + " by " + way.name : ": no route") +
           '\n';
  return out;
}

} // namespace

std::vector<std::string> host_commands(const settings& chosen, std::string_view tun) {
  const auto request = rule_request_of(chosen, tun);
  const auto plan = sys::settle(request);
  return sys::shell_commands(plan ? *plan : request.plan);
}

sys::result<std::string> rules_text(const settings& chosen) {
  const auto& tun = chosen.run.tun;
  auto request = rule_request_of(chosen, has_own_name(tun) ? tun.name : stand_in);
  const auto remotes = std::exchange(request.plan.remotes, {});
  for (std::size_t i = 0; i < remotes.size(); ++i) {
    const auto wanted = tun.ipv6 ? sys::address_filter::any : sys::address_filter::v4;
    auto found = sys::result<std::vector<protocol::endpoint>>{std::vector{remotes[i]}};
    if (!remotes[i].address)
      found = sys::resolve(chosen.run.tunnels[i]->remote.host, remotes[i].port, wanted);
    if (!found) return unexpected{found.error()};
    request.plan.remotes.insert(request.plan.remotes.end(), found->begin(), found->end());
  }
  if (chosen.firewall.backend == sys::backend_kind::direct) return direct_text(request);
  auto plan = sys::settle(request);
  if (!plan) return unexpected{plan.error()};
  // By hand the whole host is told to forward: nobody is there to see what others make of it later.
  if (!request.interface.empty()) sys::add_forwarding(*plan, sys::runtime_folder());
  std::string out;
  if (!has_own_name(tun))
    out += "# The kernel picks the device's name; " + plan->tun + " stands for it.\n";
  const auto iptables = chosen.firewall.backend == sys::backend_kind::iptables;
  for (const auto& command : sys::shell_commands(*plan, iptables))
    out += command + '\n';
  return out;
}

} // namespace tonel::actors::app
