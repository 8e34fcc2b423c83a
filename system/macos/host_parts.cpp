#include "system/posix/host_parts.hpp"

#include "system/addresses.hpp"
#include "system/host_rules.hpp"
#include "system/macos/routes.hpp"
#include "system/posix/interfaces.hpp"
#include "system/posix/socket_address.hpp"
#include "system/tun_net.hpp"

#include <ifaddrs.h>
#include <sys/sysctl.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace tonel::sys {

namespace {

using protocol::ip_address;

ip_address host_address(const std::string& interface, bool v6) {
  ifaddrs* list = nullptr;
  if (interface.empty() || ::getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner{list, ::freeifaddrs};
  for (const auto* each = list; each != nullptr; each = each->ifa_next) {
    const auto family = static_cast<sa_family_t>(v6 ? AF_INET6 : AF_INET);
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != family ||
        interface != each->ifa_name)
      continue;
    socket_address a{};
    std::memcpy(&a, each->ifa_addr, v6 ? sizeof a.v6 : sizeof a.v4);
    if (const auto found = decode(a).address; is_global(found)) return found;
  }
  return {};
}

std::string text_of_sysctl(const char* name) {
  std::array<char, 128> text{};
  std::size_t size = text.size() - 1;
  if (::sysctlbyname(name, text.data(), &size, nullptr, 0) != 0) return {};
  return text.data();
}

} // namespace

std::optional<std::string> driver_of(const std::string&) { return {}; }

result<rule_plan> settle(const rule_request& request) {
  auto plan = request.plan;
  // pf translates by interface: one is looked for where none is named, too.
  if (!request.interface.empty() && request.interface != "auto") {
    if (auto done = take_interface(plan, request.interface); !done) return unexpected{done.error()};
  } else {
    auto routes = route_socket::open(real_kernel());
    if (!routes) return unexpected{routes.error()};
    const auto find = [&](const ip_address& to, bool v6) { return routes->interface_to(to, v6); };
    if (auto done = find_interfaces(plan, find); !done) return unexpected{done.error()};
  }
  plan.host4 = host_address(plan.interface4, false);
  if (plan.peer6) plan.host6 = host_address(plan.interface6, true);
  return plan;
}

/// The whole host forwards, or no device does; pf decides what passes.
void plan_forwarding(rule_plan&, const std::vector<instance_record>&,
                     const std::vector<std::string>&) {}

bool forwards(const rule_plan& plan) {
  const auto needed = needed_sysctls(plan);
  return std::all_of(needed.begin(), needed.end(),
                     [](const std::string& name) { return read_sysctl(name).value_or("") == "1"; });
}

std::vector<std::string> switch_on(const rule_plan& plan, std::vector<sysctl_lease>& leases) {
  std::vector<std::string> failed;
  for (const auto& name : needed_sysctls(plan)) {
    const auto before = read_sysctl(name);
    if (before && *before == "1") continue;
    const auto done = before ? write_sysctl(name, "1") : result<void>{unexpected{before.error()}};
    if (!done) {
      failed.push_back("cannot set a sysctl (" + done.error().to_string() +
                       "). Run as root: sysctl -w " + name +
                       "=1; a line in /etc/sysctl.conf keeps it");
      continue;
    }
    const auto known = std::any_of(leases.begin(), leases.end(),
                                   [&](const auto& lease) { return lease.name == name; });
    if (!known) leases.push_back({name, *before, "1"});
  }
  return failed;
}

bool overtaken(const sysctl_lease&) { return false; }

// pf's rules are those of one interface.
std::vector<uplink_mark> uplink_marks(const rule_plan&) { return {}; }
result<bool> keep_uplinks(const rule_plan&) { return false; }
void remove_uplinks(const std::string&) noexcept {}
std::vector<std::string> uplink_obstacles(const rule_plan&) { return {}; }

// Only equal addresses are in each other's way: a utun is a point-to-point link to all routes.
std::vector<host_net> host_nets(const std::string& own_device) {
  return interface_addresses(own_device);
}

const char* usual_runtime_folder() noexcept { return "/var/run/tonel"; }

std::uint64_t own_start() {
  std::array<int, 4> name{CTL_KERN, KERN_PROC, KERN_PROC_PID, ::getpid()};
  kinfo_proc about{};
  std::size_t size = sizeof about;
  if (::sysctl(name.data(), name.size(), &about, &size, nullptr, 0) != 0 || size == 0) return 0;
  const auto& at = about.kp_proc.p_un.__p_starttime;
  return static_cast<std::uint64_t>(at.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(at.tv_usec);
}

std::string boot_id() {
  auto id = text_of_sysctl("kern.bootsessionuuid");
  return id.empty() ? "unknown" : id;
}

std::string network_namespace() { return "host"; }

result<std::string> read_sysctl(const std::string& name) {
  int value = 0;
  std::size_t size = sizeof value;
  if (::sysctlbyname(name.c_str(), &value, &size, nullptr, 0) != 0)
    return unexpected{os_error{errno, "sysctl", name}};
  if (size != sizeof value) return unexpected{os_error{EINVAL, "sysctl", name}};
  return std::to_string(value);
}

result<void> write_sysctl(const std::string& name, const std::string& value) {
  if (const auto now = read_sysctl(name); now && *now == value) return {};
  int number = std::atoi(value.c_str());
  if (::sysctlbyname(name.c_str(), nullptr, nullptr, &number, sizeof number) != 0)
    return unexpected{os_error{errno, "sysctl", name}};
  return {};
}

} // namespace tonel::sys
