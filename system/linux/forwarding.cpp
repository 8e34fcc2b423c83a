#include "system/forwarding.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tonel::sys {

namespace {

constexpr auto* all4 = "net.ipv4.ip_forward";
constexpr auto* all6 = "net.ipv6.conf.all.forwarding";
/// A write to the sysctl above sets this one too. We set it back to 0 at once, so that a 1 here means
/// that another program has written the sysctl above after us.
constexpr auto* default6 = "net.ipv6.conf.default.forwarding";
/// Exists where single devices can forward IPv6 (Linux 6.17).
constexpr auto* probe6 = "net.ipv6.conf.lo.force_forwarding";

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

std::string of_device(const char* family, std::string device, const char* what) {
  std::replace(device.begin(), device.end(), '.', '/');
  return std::string{"net."} + family + ".conf." + device + '.' + what;
}
std::string forwarding4(const std::string& device) {
  return of_device("ipv4", device, "forwarding");
}
std::string forced6(const std::string& device) {
  return of_device("ipv6", device, "force_forwarding");
}

struct family_names {
  const char* router; ///< whether the whole host forwards
  std::string (*of_device)(const std::string&);
};
constexpr family_names names4{all4, forwarding4}, names6{all6, forced6};

struct look {
  const rule_plan& plan;
  const forwarding_facts& facts;
  const sysctl_access& host;

  std::string value(const std::string& name) const { return host.read(name).value_or(""); }
  bool leased(const std::string& name) const {
    return std::any_of(facts.leases.begin(), facts.leases.end(),
                       [&](const auto& lease) { return lease.name == name; });
  }
  bool is_tun(const std::string& device) const {
    return device == plan.tun || has(facts.tuns, device);
  }

  /// Forwarding is a matter of the device that a packet comes in by: the TUN and the uplink need it.
  forwarding_plan by_device(const family_names& names, const std::string& uplink) const {
    forwarding_plan out;
    const auto now = value(names.router);
    if (now != "0") return out; // a router; or no such protocol
    out.on = {names.of_device(plan.tun)};
    for (const auto& device : facts.devices) {
      if (is_tun(device)) continue;
      const auto name = names.of_device(device);
      const bool ours = leased(name);
      const bool wanted = uplink.empty() || uplink == device;
      if (wanted) out.on.push_back(name);
      // Another instance may have opened the device for itself, and end before us.
      if (ours || (wanted && value(name) == "0")) out.closed.push_back(device);
    }
    return out;
  }

  /// For kernels where the whole host forwards, or no device does (IPv6 before Linux 6.17).
  forwarding_plan as_a_whole() const {
    forwarding_plan out;
    const auto now = value(all6);
    if (now.empty()) return out;
    const bool by_us = now == "1" && leased(all6) && value(default6) == "0";
    if (now != "0" && !by_us) return out;
    out.on = {all6};
    for (const auto& device : facts.devices)
      if (!is_tun(device)) out.closed.push_back(device);
    out.all_closed = true;
    return out;
  }
};

/// Switches IPv6 forwarding of the whole host on. That also makes a router of each device, which then
/// takes no addresses and routes from router advertisements any more; so each device's own sysctl is
/// set back. Routes that were learnt survive the moment in between because of accept_ra 2.
/// Source: kernel Documentation/networking/ip-sysctl.rst, addrconf.c (rt6_purge_dflt_routers)
result<void> switch_all_on(const std::vector<std::string>& devices, const sysctl_access& host) {
  std::vector<std::string> listening, hosts;
  for (const auto& device : devices) {
    auto advertised = of_device("ipv6", device, "accept_ra");
    if (host.read(advertised).value_or("") == "1" && host.write(advertised, "2"))
      listening.push_back(std::move(advertised));
    auto forwarding = of_device("ipv6", device, "forwarding");
    if (host.read(forwarding).value_or("") == "0") hosts.push_back(std::move(forwarding));
  }
  hosts.emplace_back(default6);
  auto done = host.write(all6, "1");
  if (done)
    for (const auto& name : hosts)
      (void)host.write(name, "0");
  for (const auto& name : listening)
    (void)host.write(name, "1");
  return done;
}

} // namespace

void plan_forwarding(rule_plan& plan, const forwarding_facts& facts, const sysctl_access& host) {
  const look at{plan, facts, host};
  auto forward4 = at.by_device(names4, plan.interface4);
  forwarding_plan forward6;
  if (plan.peer6)
    forward6 = host.read(probe6) ? at.by_device(names6, plan.interface6) : at.as_a_whole();
  if (!forward4.closed.empty()) forward4.bridges = facts.bridges4;
  if (!forward6.closed.empty()) forward6.bridges = facts.bridges6;
  plan.forward4 = std::move(forward4);
  plan.forward6 = std::move(forward6);
  plan.fellows = facts.tuns;
}

bool forwards(const rule_plan& plan, const sysctl_access& host) {
  const auto needed = needed_sysctls(plan);
  return std::all_of(needed.begin(), needed.end(), [&](const std::string& name) {
    // A value other than 0 and 1 is an administrator's, who knows why.
    return host.read(name).value_or("") != "0";
  });
}

std::vector<std::string> switch_on(const rule_plan& plan, const std::vector<std::string>& devices,
                                   std::vector<sysctl_lease>& leases, const sysctl_access& host) {
  // Devices come and go, with each container for instance; nothing is to be undone for one that is gone.
  const auto is_gone = [&](const sysctl_lease& lease) {
    const auto now = host.read(lease.name);
    return !now && now.error().number == ENOENT;
  };
  leases.erase(std::remove_if(leases.begin(), leases.end(), is_gone), leases.end());
  std::vector<std::string> failed;
  for (const auto& name : needed_sysctls(plan)) {
    const auto before = host.read(name);
    if (before && *before != "0") continue;
    auto done = !before        ? result<void>{unexpected{before.error()}}
                : name == all6 ? switch_all_on(devices, host)
                               : host.write(name, "1");
    if (!done) {
      // The TUN does not exist at boot, so that only the sysctl of the whole host can be kept.
      const bool v6 = name.rfind("net.ipv6", 0) == 0;
      failed.push_back("cannot set a sysctl (" + done.error().to_string() +
                       "). Run as root: sysctl -w " + (v6 ? all6 : all4) +
                       "=1; a line in /etc/sysctl.d keeps it");
      continue;
    }
    const auto known = std::any_of(leases.begin(), leases.end(),
                                   [&](const auto& lease) { return lease.name == name; });
    if (!known) leases.push_back({name, *before, "1"});
  }
  return failed;
}

bool overtaken(const sysctl_lease& lease, const sysctl_access& host) {
  const auto is = [&](const char* name, const char* value) {
    return host.read(name).value_or("") == value;
  };
  if (lease.name == all6) return is(default6, "1");
  if (lease.name.rfind("net.ipv4.conf.", 0) == 0) return is(all4, "1");
  return false;
}

} // namespace tonel::sys
