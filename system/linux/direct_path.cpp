#include "system/direct_path.hpp"

#include "system/instance_state.hpp"
#include "system/linux/bpf_call.hpp"
#include "system/linux/direct_entries.hpp"
#include "system/linux/direct_hooks.hpp"
#include "system/linux/netlink.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <utility>

// In the file that cmake/TonelBpf.cmake makes.
extern "C" const char tonel_bpf_object[], tonel_bpf_object_end[];

namespace tonel::sys {

namespace {

struct close_object {
  void operator()(bpf_object* object) const noexcept { bpf_object__close(object); }
};
using object_ptr = std::unique_ptr<bpf_object, close_object>;

thread_local std::string* said = nullptr; // libbpf's first complaint

int listen(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN || said == nullptr || !said->empty()) return 0;
  std::array<char, 256> line{};
  std::vsnprintf(line.data(), line.size(), format, arguments);
  *said = line.data();
  while (!said->empty() && said->back() == '\n')
    said->pop_back();
  return 0;
}

result<object_ptr> load() {
  std::string complaint;
  said = &complaint;
  libbpf_set_print(listen);
  const auto fail = [&](int number) {
    said = nullptr;
    if (number == EPERM)
      return unexpected{os_error{EPERM, "bpf",
                                 complaint.find("MEMLOCK") == std::string::npos
                                     ? "it needs CAP_BPF and CAP_NET_ADMIN"
                                     : "it needs CAP_BPF, CAP_NET_ADMIN and, before Linux 5.11, "
                                       "LimitMEMLOCK=infinity (ulimit -l unlimited)"}};
    // Until Linux 6.8 the verifier takes what a compiler does with the stack for an attack of the unprivileged.
    if (number == EACCES && !has_perfmon())
      return unexpected{
          os_error{EPERM, "bpf", "it needs CAP_BPF, CAP_NET_ADMIN and here CAP_PERFMON"}};
    // What an old kernel says of a program that it does not understand has many numbers.
    return unexpected{os_error{number == ENOMEM ? ENOMEM : EOPNOTSUPP, "bpf", complaint}};
  };
  bpf_object_open_opts options{};
  options.sz = sizeof options;
  options.object_name = "tonel";
  object_ptr object{bpf_object__open_mem(
      tonel_bpf_object, static_cast<std::size_t>(tonel_bpf_object_end - tonel_bpf_object),
      &options)};
  if (!object) return fail(errno);
  if (const int failed = bpf_object__load(object.get()); failed != 0) return fail(-failed);
  said = nullptr;
  return object;
}

/// A map of the programs.
class table {
public:
  table() = default;
  table(const bpf_object& object, const char* name)
      : fd_{bpf_object__find_map_fd_by_name(&object, name)} {}

  result<void> put(const void* key, const void* value) const {
    if (const int failed = bpf_map_update_elem(fd_, key, value, BPF_ANY); failed != 0)
      return unexpected{os_error{failed == -E2BIG ? ENOSPC : -failed, "bpf map", {}}};
    return {};
  }
  void remove(const void* key) const noexcept { static_cast<void>(bpf_map_delete_elem(fd_, key)); }
  /// Sets these keys, octets each, to their values.
  template <class Map> result<void> put_all(const Map& wanted) const {
    for (const auto& [key, value] : wanted)
      if (auto done = put(key.data(), &value); !done) return done;
    return {};
  }
  /// Removes the keys of `before` that are not in `wanted`.
  template <class Map> void remove_all_but(const Map& wanted, const Map& before) const noexcept {
    for (const auto& [key, value] : before)
      if (wanted.count(key) == 0) remove(key.data());
  }
  int fd() const noexcept { return fd_; }

private:
  int fd_ = -1;
};

/// Lets the kernel say by which uplink an answer leaves: it does so for devices that forward. Nothing is
/// forwarded for that: what the device brings in and is not the tunnel's is dropped.
bool ask_routes(const std::string& tun, bool v6) {
  const auto name = std::string{v6 ? "net.ipv6.conf." : "net.ipv4.conf."} + tun + ".forwarding";
  return write_sysctl(name, "1").has_value();
}

class bpf_direct_path final : public direct_path {
public:
  bpf_direct_path(object_ptr object, std::string folder, direct_means means)
      : object_{std::move(object)}, settings_{*object_, "settings"},
        services_{*object_, "services"}, sources_{*object_, "sources"}, connections_{*object_,
                                                                                     "connections"},
        ways_{*object_, "ways"}, uplinks_{*object_, "uplinks"}, counts_{*object_, "counts"},
        uplink_program_{program("tonel_uplink")},
        tun_program_{program("tonel_tun")}, hooks_{std::move(folder), means} {}

  result<direct_report> ensure(const direct_plan& plan) override;
  result<void> take(const protocol::four_tuple& connection) override {
    const auto key = to_direct(connection);
    const std::uint32_t value = 1;
    return connections_.put(&key, &value);
  }
  void release(const protocol::four_tuple& connection) noexcept override {
    const auto key = to_direct(connection);
    connections_.remove(&key);
  }
  direct_counters counters() const override;

private:
  struct uplink {
    std::string name;
    std::uint32_t index = 0;
    std::uint32_t mtu = 0;
    bool loopback = false, ethernet = false;
  };

  int program(const char* name) const {
    return bpf_program__fd(bpf_object__find_program_by_name(object_.get(), name));
  }
  void note(std::string text) {
    if (told_.insert(text).second) notes_.push_back(std::move(text));
  }
  void sweep(route_netlink& netlink);
  result<void> set_tables(const direct_plan& plan, const std::vector<uplink>& uplinks,
                          route_netlink& netlink);
  result<void> set_ways(const direct_plan& plan, route_netlink& netlink);
  direct_settings settings_for(const direct_plan& plan, std::uint32_t tun,
                               const std::vector<uplink>& uplinks);

  object_ptr object_;
  table settings_, services_, sources_, connections_, ways_, uplinks_, counts_;
  int uplink_program_, tun_program_;
  direct_hooks hooks_;
  direct_entries entries_;
  std::map<std::string, direct_way> remotes_;       // by octets
  std::map<std::string, direct_uplink> interfaces_; // by octets
  std::set<std::string> told_;
  std::vector<std::string> notes_;
  bool swept_ = false;
};

void bpf_direct_path::sweep(route_netlink& netlink) {
  if (std::exchange(swept_, true)) return;
  const auto gone = hooks_.sweep(netlink);
  if (!gone)
    return note("cannot look for what earlier processes left: " + gone.error().to_string());
  for (const auto& name : *gone)
    note("removed what an earlier process had left: " + name);
}

result<void> bpf_direct_path::set_tables(const direct_plan& plan,
                                         const std::vector<uplink>& uplinks,
                                         route_netlink& netlink) {
  const auto addresses = netlink.addresses(0);
  if (!addresses) return unexpected{addresses.error()};
  std::vector<protocol::ip_address> locals;
  for (const auto& a : *addresses)
    locals.push_back(a.local);
  // What is new first, and each list of sources before the services that name it: what stays has no gap.
  const auto services = entries_.services();
  const auto sources = entries_.sources();
  entries_.plan(plan.server ? plan.ports : std::vector<direct_port>{}, locals);
  if (auto done = sources_.put_all(entries_.sources()); !done) return done;
  if (auto done = services_.put_all(entries_.services()); !done) return done;
  services_.remove_all_but(entries_.services(), services);
  sources_.remove_all_but(entries_.sources(), sources);
  const auto interfaces = std::exchange(interfaces_, {});
  // Without loopback: the host takes its own packets only with a route.
  for (const auto& u : uplinks)
    if (!u.loopback) interfaces_[key_octets(u.index)] = {u.ethernet ? 1u : 0u, u.mtu};
  if (auto done = uplinks_.put_all(interfaces_); !done) return done;
  uplinks_.remove_all_but(interfaces_, interfaces);
  return set_ways(plan, netlink);
}

result<void> bpf_direct_path::set_ways(const direct_plan& plan, route_netlink& netlink) {
  const auto before = std::exchange(remotes_, {});
  for (const auto& remote : plan.remotes) {
    const auto& to = remote.at.address;
    if (!to || remote.device == 0) continue;
    direct_way way{};
    way.device = remote.device;
    // With its next hop the kernel need not look for each packet; what changes the route brings us here.
    // To this host itself it has to: the packet gets its route from that.
    const auto link = netlink.find_link(remote.device);
    const auto hop = netlink.way_to(to, plan.mark.value_or(0));
    const bool outside = link && *link && !(*link)->loopback;
    if (outside && hop && *hop && (*hop)->index == remote.device) {
      const auto& next = (*hop)->gateway ? (*hop)->gateway : to;
      way.family = next.is_v4() ? AF_INET : AF_INET6;
      std::memcpy(way.next, next.data(), next.size());
    }
    remotes_[key_octets(to_direct(to))] = way;
  }
  if (auto done = ways_.put_all(remotes_); !done) return done;
  ways_.remove_all_but(remotes_, before);
  return {};
}

direct_settings bpf_direct_path::settings_for(const direct_plan& plan, std::uint32_t tun,
                                              const std::vector<uplink>& uplinks) {
  direct_settings out{};
  out.tun = tun;
  out.mark = plan.mark.value_or(0);
  out.mtu = std::numeric_limits<std::uint32_t>::max();
  std::size_t far = 0;
  for (const auto& u : uplinks) {
    if (u.loopback) {
      out.lo = u.index;
      continue;
    }
    if (out.uplink == 0) out.uplink = u.index;
    out.mtu = std::min(out.mtu, u.mtu);
    ++far;
  }
  if (out.uplink == 0) out.uplink = out.lo;
  if (!plan.server) return out;
  out.flags = direct_server;
  if (plan.reply_by_arrival) out.flags |= direct_by_arrival;
  if (uplinks.size() > 1) {
    const bool v4 = ask_routes(plan.tun, false);
    static_cast<void>(ask_routes(plan.tun, true));
    if (v4)
      out.flags |= direct_by_route;
    else
      note("net.ipv4.conf." + plan.tun +
           ".forwarding cannot be set: answers leave by the uplink that their requests came by");
  }
  // Where the routes say nothing, too.
  if (plan.reply_by_arrival || far > 1 ||
      (uplinks.size() > 1 && (out.flags & direct_by_route) == 0))
    out.flags |= direct_learns;
  return out;
}

result<direct_report> bpf_direct_path::ensure(const direct_plan& plan) {
  auto netlink = route_netlink::open(real_kernel());
  if (!netlink) return unexpected{netlink.error()};
  const auto tun = netlink->find_link(plan.tun);
  if (!tun) return unexpected{tun.error()};
  if (!*tun) return unexpected{os_error{ENODEV, "netlink RTM_GETLINK", plan.tun}};
  hooks_.set_name(plan.tun);
  sweep(*netlink);
  std::vector<uplink> uplinks;
  for (const auto& name : plan.uplinks) {
    const auto link = netlink->find_link(name);
    if (!link) return unexpected{link.error()};
    if (*link && name != plan.tun)
      uplinks.push_back({name, (*link)->index, (*link)->mtu, (*link)->loopback, (*link)->ethernet});
  }
  if (auto done = set_tables(plan, uplinks, *netlink); !done) return unexpected{done.error()};
  const auto settings = settings_for(plan, (*tun)->index, uplinks);
  const std::uint32_t only = 0;
  if (auto done = settings_.put(&only, &settings); !done) return unexpected{done.error()};

  direct_report report;
  // The way out first: what comes in is answered.
  auto attached = hooks_.keep(*netlink, (*tun)->index, tun_program_);
  if (!attached) return unexpected{attached.error()};
  report.repaired = *attached;
  std::vector<std::uint32_t> wanted{(*tun)->index};
  std::vector<std::string> devices{plan.tun};
  for (const auto& u : uplinks) {
    attached = hooks_.keep(*netlink, u.index, uplink_program_);
    if (!attached && attached.error().number == ENODEV) continue; // it went meanwhile
    if (!attached) return unexpected{attached.error()};
    report.repaired = report.repaired || *attached;
    wanted.push_back(u.index);
    devices.push_back(u.name);
  }
  hooks_.keep_only(*netlink, wanted);
  report.means = hooks_.means();
  report.devices = std::move(devices);
  report.notes = std::exchange(notes_, {});
  return report;
}

direct_counters bpf_direct_path::counters() const {
  std::array<std::uint64_t, direct_counts> sums{};
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return {};
  std::vector<std::uint64_t> each(static_cast<std::size_t>(cpus));
  for (std::uint32_t what = 0; what < direct_counts; ++what) {
    if (bpf_map_lookup_elem(counts_.fd(), &what, each.data()) != 0) continue;
    for (const auto n : each)
      sums.at(what) += n;
  }
  return {sums[direct_taken], sums[direct_refused], sums[direct_sent], sums[direct_strange],
          sums[direct_lost]};
}

} // namespace

result<std::unique_ptr<direct_path>> direct_path::open(std::string folder, direct_means means) {
  auto object = load();
  if (!object) return unexpected{object.error()};
  // From now on maps are changed, and programs attached.
  give_up_bpf([&] {
    const table settings{**object, "settings"};
    const std::uint32_t only = 0;
    const direct_settings none{};
    return settings.put(&only, &none).has_value();
  });
  return std::unique_ptr<direct_path>{
      std::make_unique<bpf_direct_path>(std::move(*object), std::move(folder), means)};
}

} // namespace tonel::sys
