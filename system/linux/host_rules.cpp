#include "system/host_rules.hpp"

#include "system/linux/netlink.hpp"

#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace tonel::sys {

namespace {

using protocol::ip_address;

// Records of other network namespaces that may be gone for good: nobody comes to sweep them then.
constexpr std::size_t most_dead_elsewhere = 100;

std::string name_of(std::uint32_t index) {
  std::array<char, IF_NAMESIZE> name{};
  return ::if_indextoname(index, name.data()) == nullptr ? std::string{} : std::string{name.data()};
}

/// The interface to the remotes of the family, none if they have different ones; the default route's at
/// a server and for names that are not resolved yet.
result<std::string> route_interface(route_netlink& netlink, const rule_plan& plan, bool v6) {
  std::set<std::uint32_t> interfaces;
  for (const auto& remote : plan.remotes) {
    if (!remote.address || remote.address.is_v6() != v6) continue;
    const auto found = netlink.interface_to(remote.address, plan.mark.value_or(0));
    if (!found) return unexpected{found.error()};
    if (*found) interfaces.insert(**found);
  }
  if (!interfaces.empty()) return interfaces.size() == 1 ? name_of(*interfaces.begin()) : "";
  const auto routes = netlink.default_routes(v6);
  if (!routes) return unexpected{routes.error()};
  return routes->empty() ? std::string{} : name_of(routes->front().index);
}

bool is_global(const ip_address& a) {
  return a.is_v4() || (a.is_v6() && !(a.data()[0] == 0xfe && (a.data()[1] & 0xc0) == 0x80));
}

result<ip_address> host_address(route_netlink& netlink, const std::string& interface, bool v6) {
  if (interface.empty()) return ip_address{};
  const auto addresses = netlink.addresses(::if_nametoindex(interface.c_str()));
  if (!addresses) return unexpected{addresses.error()};
  for (const auto& a : *addresses)
    if (a.local.is_v6() == v6 && is_global(a.local)) return a.local;
  return ip_address{};
}

/// Interfaces whose IPv6 default route would go when the host forwards: the kernel takes those that it
/// learnt from routers away, unless accept_ra is 2.
std::vector<std::string> learnt_default_interfaces() {
  std::vector<std::string> out;
  auto netlink = route_netlink::open(real_kernel());
  if (!netlink) return out;
  const auto routes = netlink->default_routes(true);
  if (!routes) return out;
  for (const auto& route : *routes) {
    auto name = name_of(route.index);
    if (route.learnt && !name.empty() && std::find(out.begin(), out.end(), name) == out.end())
      out.push_back(std::move(name));
  }
  return out;
}

bool is_ours(const instance_record& record, const instance_record& own) {
  return record.table == own.table && record.network == own.network && record.pid == own.pid &&
         record.started == own.started;
}

} // namespace

result<rule_plan> settle(const rule_request& request) {
  auto plan = request.plan;
  if (request.interface.empty()) return plan;
  auto netlink = route_netlink::open(real_kernel());
  if (!netlink) return unexpected{netlink.error()};
  if (request.interface != "auto") {
    if (::if_nametoindex(request.interface.c_str()) == 0)
      return unexpected{os_error{ENODEV, "interface", request.interface}};
    plan.interface4 = plan.interface6 = request.interface;
  } else {
    for (const bool v6 : {false, true}) {
      if (v6 && !plan.peer6) continue;
      auto name = route_interface(*netlink, plan, v6);
      if (!name) return unexpected{name.error()};
      (v6 ? plan.interface6 : plan.interface4) = std::move(*name);
    }
  }
  if (plan.nat != nat_mode::stateless) return plan;
  for (const bool v6 : {false, true}) {
    if (v6 && !plan.peer6) continue;
    auto address = host_address(*netlink, v6 ? plan.interface6 : plan.interface4, v6);
    if (!address) return unexpected{address.error()};
    (v6 ? plan.host6 : plan.host4) = *address;
  }
  if (!plan.host4 && !plan.host6)
    return unexpected{os_error{EADDRNOTAVAIL, "--nat stateless", "no address of this host"}};
  return plan;
}

host_rules::host_rules(std::string folder, backend_kind wanted)
    : file_{std::move(folder)}, wanted_{wanted} {}

host_rules::~host_rules() { remove(); }

void host_rules::note(std::string text) {
  if (told_.insert(text).second) notes_.push_back(std::move(text));
}

result<rules_report> host_rules::ensure(const rule_request& request) {
  const std::lock_guard guard{mutex_};
  rules_report report;
  if (closed_) return report;
  auto plan = settle(request);
  if (!plan) return unexpected{plan.error()};
  if (auto opened = open(*plan); !opened) return unexpected{opened.error()};
  const auto statements = nft_statements(*plan);
  const bool same = !applied_.empty() && applied_ == statements;
  bool intact = false;
  if (same) {
    const auto found = backend_->intact();
    if (!found) return unexpected{found.error()};
    intact = *found;
    report.repaired = !intact;
  }
  if (!intact) {
    if (auto done = backend_->apply(*plan); !done) return unexpected{done.error()};
    applied_ = statements;
    for (auto& obstacle : forward_obstacles(*backend_, *plan))
      note(std::move(obstacle));
  }
  report.backend = to_string(backend_->kind());
  report.must_be_asked = backend_->must_be_asked();
  report.notes = std::exchange(notes_, {});
  return report;
}

bool host_rules::concerns(const std::string& changed_table) {
  // A call under way may take long; better one needless look than a loop that waits.
  const std::unique_lock guard{mutex_, std::try_to_lock};
  return !guard || (backend_ && backend_->concerns(changed_table, own_.table));
}

result<void> host_rules::open(const rule_plan& plan) {
  if (opened_) return {};
  own_ = own_record(plan.table);
  if (!backend_) {
    auto backend = open_backend(wanted_);
    if (!backend) return unexpected{backend.error()};
    backend_ = std::move(*backend);
  }
  int taken_by = 0;
  std::optional<os_error> unmarked;
  auto kept = file_.update([&](std::vector<instance_record>& records) {
    sweep(records);
    for (const auto& r : records)
      if (r.table == own_.table && r.network == own_.network && !is_ours(r, own_)) taken_by = r.pid;
    if (taken_by != 0) return;
    own_.backend = to_string(backend_->kind());
    lease_sysctls(plan);
    // Without its mark it would be taken for dead.
    if (auto marked = file_.mark(own_)) {
      mark_.emplace(std::move(*marked));
      records.push_back(own_);
    } else {
      unmarked = marked.error();
    }
  });
  if (kept && unmarked) kept = unexpected{*unmarked};
  if (!kept)
    note("cannot write down what was changed on this host (" + kept.error().to_string() +
         "): after a kill, it stays until the next start");
  if (taken_by != 0)
    return unexpected{os_error{EBUSY, "rules",
                               own_.table + " belongs to process " + std::to_string(taken_by) +
                                   "; --tun NAME makes another instance"}};
  opened_ = true;
  return {};
}

/// Undoes what dead processes have left in this network namespace. Their sysctls become ours: what
/// they were before is known to their record alone.
void host_rules::sweep(std::vector<instance_record>& records) {
  std::vector<instance_record> kept;
  std::size_t dead_elsewhere = 0;
  for (auto& r : records) {
    if (r.boot != own_.boot) { // nothing of it is left
      file_.forget(r);
      continue;
    }
    const bool alive = file_.is_alive(r);
    if (r.network != own_.network || alive) {
      if (!alive && ++dead_elsewhere > most_dead_elsewhere)
        file_.forget(r);
      else
        kept.push_back(std::move(r));
      continue;
    }
    if (const auto kind = parse_backend_kind(r.backend)) {
      // One that was made by another means is taken away by that means.
      const bool same_means =
          (*kind == backend_kind::iptables) == (backend_->kind() == backend_kind::iptables);
      auto other = same_means ? nullptr : open_backend(*kind).value_or(nullptr);
      auto* means = same_means ? backend_.get() : other.get();
      if (means == nullptr || !means->remove(r.table)) {
        note("the rules of an earlier process (" + r.table + ") could not be removed");
        kept.push_back(std::move(r));
        continue;
      }
      // The kernel had taken an owned table away.
      if (*kind != backend_kind::owned)
        note("removed what an earlier process had left: " + r.table);
    }
    own_.leases.insert(own_.leases.end(), r.leases.begin(), r.leases.end());
    file_.forget(r);
  }
  records = std::move(kept);
}

void host_rules::lease(const std::string& name, const std::string& value) {
  const auto before = read_sysctl(name);
  if (!before) {
    note("cannot read the sysctl " + name + ": " + before.error().to_string());
    return;
  }
  if (*before == value) return;
  if (const auto done = write_sysctl(name, value); !done) {
    note("cannot set a sysctl (" + done.error().to_string() + "). Run as root: sysctl -w " + name +
         '=' + value + "; a file in /etc/sysctl.d keeps it");
    return;
  }
  const auto known = std::find_if(own_.leases.begin(), own_.leases.end(),
                                  [&](const auto& l) { return l.name == name; });
  if (known == own_.leases.end()) own_.leases.push_back({name, *before, value});
}

void host_rules::lease_sysctls(const rule_plan& plan) {
  // Before forwarding, which would take the route away at once.
  if (plan.peer6 && read_sysctl("net.ipv6.conf.all.forwarding").value_or("1") == "0") {
    for (auto interface : learnt_default_interfaces()) {
      std::replace(interface.begin(), interface.end(), '.', '/');
      const auto name = "net.ipv6.conf." + interface + ".accept_ra";
      if (read_sysctl(name).value_or("") == "1") lease(name, "2");
    }
  }
  for (const auto& name : needed_sysctls(plan))
    lease(name, "1");
}

/// To another instance that lives, else to what they were; those that others have changed since stay.
void host_rules::give_back(std::vector<instance_record>& records) {
  // Another one may have left its leases to us since they were read.
  for (auto r = records.begin(); r != records.end();) {
    if (!is_ours(*r, own_)) {
      ++r;
      continue;
    }
    own_.leases = r->leases;
    r = records.erase(r);
  }
  const auto heir = std::find_if(records.begin(), records.end(), [&](const auto& r) {
    return r.network == own_.network && file_.is_alive(r);
  });
  if (heir != records.end()) {
    heir->leases.insert(heir->leases.end(), own_.leases.begin(), own_.leases.end());
  } else if (own_.leases.empty() || !others_present(*backend_, own_.table)) {
    // Forwarding goes before what it made necessary.
    for (auto l = own_.leases.rbegin(); l != own_.leases.rend(); ++l)
      if (read_sysctl(l->name).value_or("") == l->set) (void)write_sysctl(l->name, l->before);
  }
  own_.leases.clear();
}

void host_rules::remove() noexcept {
  const std::lock_guard guard{mutex_};
  if (std::exchange(closed_, true)) return;
  if (!backend_) return;
  if (!applied_.empty()) (void)backend_->remove(own_.table);
  if (opened_)
    (void)file_.update([&](std::vector<instance_record>& records) {
      mark_.reset(); // nobody judges meanwhile, and its descriptor may be the last
      give_back(records);
    });
  backend_ = nullptr;
}

} // namespace tonel::sys
