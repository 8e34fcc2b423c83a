#include "system/direct_rules.hpp"

#include "system/instance_state.hpp"
#include "system/posix/interfaces.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace tonel::sys {

namespace {

template <class One> void add(std::vector<One>& to, const One& one) {
  if (std::find(to.begin(), to.end(), one) == to.end()) to.push_back(one);
}

std::vector<protocol::ip_address> addresses_of(const std::vector<protocol::endpoint>& remotes) {
  std::vector<protocol::ip_address> out;
  for (const auto& remote : remotes)
    if (remote.address) add(out, remote.address); // else its name is not resolved yet
  return out;
}

} // namespace

direct_plan plan_direct(const rule_request& request, const way_facts& facts,
                        const std::vector<std::string>& tuns) {
  const auto& wanted = request.plan;
  direct_plan out;
  out.server = wanted.server;
  out.tun = wanted.tun;
  out.mark = wanted.mark;
  out.reply_by_arrival = request.reply_by_arrival;
  for (const auto port : std::set<std::uint16_t>{wanted.ports.begin(), wanted.ports.end()}) {
    const auto limited = wanted.allow.find(port);
    out.ports.push_back(
        {port, {}, limited == wanted.allow.end() ? std::vector<ip_net>{} : limited->second});
  }
  for (const auto& remote : wanted.remotes)
    for (const auto& way : facts.ways)
      if (way.remote == remote.address && way.source) {
        out.remotes.push_back({remote, way.device});
        // Answers come by it first, and by another interface where the network is asymmetric.
        if (!way.inside) add(out.uplinks, way.name);
      }
  if (request.interface != "auto" && !request.interface.empty()) {
    out.uplinks = {request.interface};
  } else {
    for (const auto& device : facts.devices)
      if (std::find(tuns.begin(), tuns.end(), device) == tuns.end()) add(out.uplinks, device);
  }
  const bool inside = std::any_of(facts.ways.begin(), facts.ways.end(),
                                  [](const host_way& way) { return way.inside; });
  // A server's clients may be on its host; a name of an interface is to say where they are.
  if (inside || (wanted.server && request.interface == "auto")) add<std::string>(out.uplinks, "lo");
  return out;
}

result<rules_report> direct_rules::ensure(const rule_request& request) {
  const std::lock_guard lock{mutex_};
  auto facts = find_ways(addresses_of(request.plan.remotes), request.plan.mark);
  if (!facts) return unexpected{facts.error()};
  std::vector<std::string> tuns{request.plan.tun};
  for (const auto& record : instance_file{folder_}.living())
    tuns.push_back(tun_of(record.table));
  auto done = path_->ensure(plan_direct(request, *facts, tuns));
  if (!done) return unexpected{done.error()};
  rules_report report;
  report.repaired = done->repaired;
  report.backend = to_string(backend_kind::direct);
  report.where = done->means + " at ";
  for (const auto& device : done->devices)
    report.where += (&device == &done->devices.front() ? "" : ", ") + device;
  report.ways = std::move(facts->ways);
  report.notes = std::move(done->notes);
  // Nobody tells when a program is taken from a device.
  report.ask_in =
      done->means == "clsact" ? std::chrono::milliseconds{700} : std::chrono::seconds{10};
  return report;
}

} // namespace tonel::sys
