#include "system/tun_device.hpp"

#include "system/device_state.hpp"
#include "system/linux/netlink.hpp"
#include "system/linux/tun_queue.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace tonel::sys {

namespace {

/// A way to open a device. The best is tried first; after EINVAL the next one, with less.
struct attempt {
  bool multi_queue;
  bool vnet;
};

struct opened_queue {
  descriptor fd;
  std::string name;
};

result<opened_queue> open_queue(kernel& k, const std::string& name, attempt a) {
  descriptor fd{k, k.open("/dev/net/tun", O_RDWR | O_NONBLOCK)};
  if (!fd) return unexpected{os_error{-fd.get(), "open /dev/net/tun", {}}};
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  const unsigned flags =
      IFF_TUN | IFF_NO_PI | (a.multi_queue ? IFF_MULTI_QUEUE : 0u) | (a.vnet ? IFF_VNET_HDR : 0u);
  request.ifr_flags = static_cast<short>(flags);
  if (const int r = k.ioctl(fd.get(), TUNSETIFF, &request); r < 0)
    return unexpected{os_error{-r, "ioctl TUNSETIFF", name}};
  if (a.vnet) {
    // A persistent device keeps the size that its last user has set.
    int size = 10;
    if (const int r = k.ioctl(fd.get(), TUNSETVNETHDRSZ, &size); r < 0)
      return unexpected{os_error{-r, "ioctl TUNSETVNETHDRSZ", name}};
  }
  request.ifr_name[IFNAMSIZ - 1] = '\0';
  return opened_queue{std::move(fd), request.ifr_name};
}

/// Sets the offload of checksums and TCP segmentation, for both directions.
int set_offload(kernel& k, int fd, unsigned long flags) noexcept {
  // The argument is a number, not a pointer to one.
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return k.ioctl(fd, TUNSETOFFLOAD, reinterpret_cast<void*>(flags));
}

/// All queues of one device, not yet those of anybody.
struct opened_device {
  std::string name;
  std::vector<descriptor> fds;
  tun_queue::mode how;
};

/// Whether an address that is there does what this one is to do.
bool same(const link_address& there, const link_address& wanted) noexcept {
  const auto& far = there.peer ? there.peer : there.local;
  return there.local == wanted.local && ip_net{far, there.prefix}.holds(wanted.peer);
}

// A device that was renamed has to be set down, up and addressed again; more looks find no more.
constexpr int most_looks = 4;

} // namespace

struct tun_device::state {
  kernel& k;
  tun_options wanted;
  std::string name;
  std::atomic<std::uint32_t> index{0};
  bool ipv6 = false;
  std::vector<std::string> notes;
  std::vector<std::unique_ptr<tun_queue>> queues;
  std::vector<link_address> added;
  std::optional<route_netlink> netlink;

  state(kernel& on, const tun_options& o) : k(on), wanted(o) {}
  ~state() {
    // Only needed for persistent devices: others vanish with their queues.
    for (auto a = added.rbegin(); a != added.rend(); ++a)
      static_cast<void>(netlink->remove_address(index, *a));
  }

  /// EBUSY: somebody has the device of this name open.
  result<void> must_be_free(const std::string& device);
  result<opened_device> open_queues(const std::string& device);
  result<opened_device> take_queue();
  void settle_offload(opened_device& device, bool vnet, const char* why_not);
  result<void> configure();
  result<void> set_link(const link_info& link);
  std::vector<link_address> addresses() const;
  result<void> ensure_address(const std::vector<link_address>& there, const link_address& a);
  result<void> add_address(const link_address& a);

  device_wanted to_be() const;
  result<device_found> look();
  result<void> mend(const device_repair& repair);
  result<void> rename();
  result<void> add_route(const device_address& to);
  result<void> make_again();
};

result<void> tun_device::state::must_be_free(const std::string& device) {
  // A multi-queue device accepts queues of any number of processes, and spreads packets over all of
  // them. So a device that another program has open, as its carrier shows, is not joined.
  const auto before = netlink->find_link(device);
  if (before && *before && (*before)->carrier)
    return unexpected{os_error{EBUSY, "ioctl TUNSETIFF", device}};
  return {};
}

result<opened_device> tun_device::state::open_queues(const std::string& device) {
  std::vector<attempt> attempts;
  for (const bool multi : {true, false}) {
    // A persistent device made without multi_queue serves as well, if one queue is enough.
    if (!multi && wanted.queues > 1) continue;
    if (wanted.want_offload) attempts.push_back({multi, true});
    attempts.push_back({multi, false});
  }
  attempt chosen{};
  result<opened_queue> first = unexpected{os_error{EINVAL, "ioctl TUNSETIFF", device}};
  for (const auto a : attempts) {
    chosen = a;
    first = open_queue(k, device, a);
    if (first || first.error().number != EINVAL) break;
  }
  if (!first) return unexpected{first.error()};
  opened_device out;
  out.name = first->name;
  out.fds.push_back(std::move(first->fd));
  while (out.fds.size() < wanted.queues) {
    auto next = open_queue(k, out.name, chosen);
    if (!next) return unexpected{next.error()};
    out.fds.push_back(std::move(next->fd));
  }
  settle_offload(out, chosen.vnet, "the kernel does not take IFF_VNET_HDR");
  return out;
}

result<opened_device> tun_device::state::take_queue() {
  opened_device out;
  out.fds.emplace_back(k, wanted.fd);
  const int fd = wanted.fd;
  ifreq request{};
  if (const int r = k.ioctl(fd, TUNGETIFF, &request); r < 0)
    return unexpected{os_error{-r, "ioctl TUNGETIFF", std::to_string(fd)}};
  request.ifr_name[IFNAMSIZ - 1] = '\0';
  out.name = request.ifr_name;
  const auto flags = static_cast<unsigned short>(request.ifr_flags);
  if ((flags & IFF_TUN) == 0 || (flags & IFF_NO_PI) == 0)
    return unexpected{os_error{EINVAL, "ioctl TUNGETIFF", out.name}};
  // Whoever opened the descriptor may have set it otherwise.
  int on = 1;
  if (const int r = k.ioctl(fd, FIONBIO, &on); r < 0)
    return unexpected{os_error{-r, "ioctl FIONBIO", out.name}};
  static_cast<void>(k.ioctl(fd, FIOCLEX, nullptr));
  const bool vnet = (flags & IFF_VNET_HDR) != 0;
  if (vnet) {
    int size = 10;
    if (const int r = k.ioctl(fd, TUNSETVNETHDRSZ, &size); r < 0)
      return unexpected{os_error{-r, "ioctl TUNSETVNETHDRSZ", out.name}};
  }
  settle_offload(out, vnet, "the given descriptor was opened without IFF_VNET_HDR");
  return out;
}

void tun_device::state::settle_offload(opened_device& device, bool vnet, const char* why_not) {
  const int fd = device.fds.front().get();
  bool offload = wanted.want_offload && vnet;
  if (wanted.want_offload && !vnet) notes.push_back(std::string{"TUN offload is off: "} + why_not);
  if (offload) {
    if (const int r = set_offload(k, fd, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6); r < 0) {
      offload = false;
      notes.push_back("TUN offload is off: " + os_error{-r, "ioctl TUNSETOFFLOAD", {}}.to_string());
    }
  }
  // Offload is a property of the device: a persistent one may still have it on.
  if (vnet && !offload) set_offload(k, fd, 0);
  device.how = {vnet, offload, wanted.mtu};
}

result<void> tun_device::state::set_link(const link_info& link) {
  link_change change;
  if (link.mtu != wanted.mtu) change.mtu = wanted.mtu;
  if (link.txqueuelen != wanted.txqueuelen) change.txqueuelen = wanted.txqueuelen;
  // Before the device comes up: otherwise IPv6 makes a link-local address and solicits routers,
  // among the tunnel's packets. Fails where there is no IPv6.
  if (!link.up) {
    link_change quiet;
    quiet.no_link_local = true;
    static_cast<void>(netlink->change_link(index, quiet));
    change.up = true;
  }
  if (!change.mtu && !change.txqueuelen && !change.up) return {};
  auto done = netlink->change_link(index, change);
  if (!done) done.error().detail = name;
  return done;
}

std::vector<link_address> tun_device::state::addresses() const {
  std::vector<link_address> out;
  if (wanted.local4) out.push_back({wanted.local4, wanted.peer4, 32});
  if (wanted.local6) out.push_back({wanted.local6, wanted.peer6, 128});
  return out;
}

result<void> tun_device::state::add_address(const link_address& a) {
  auto done = netlink->add_address(index, a);
  if (!done && done.error().number == EEXIST) return {};
  const auto known = [&](const link_address& b) { return b.local == a.local; };
  if (done && std::none_of(added.begin(), added.end(), known)) added.push_back(a);
  // The kernel adds it some milliseconds after an IPv6 address, when nobody waits for it any more.
  if (done && a.local.is_v6()) static_cast<void>(add_route({a.local, a.peer}));
  return done;
}

result<void> tun_device::state::ensure_address(const std::vector<link_address>& there,
                                               const link_address& a) {
  if (std::any_of(there.begin(), there.end(), [&](const auto& b) { return same(b, a); })) return {};
  return add_address(a);
}

result<void> tun_device::state::configure() {
  const auto link = netlink->find_link(name);
  if (!link) return unexpected{link.error()};
  if (!*link) return unexpected{os_error{ENODEV, "netlink RTM_GETLINK", name}};
  index = (*link)->index;
  if (auto done = set_link(**link); !done) return done;
  const auto there = netlink->addresses(index);
  if (!there) return unexpected{there.error()};
  for (const auto& a : addresses()) {
    auto done = ensure_address(*there, a);
    const bool needed = a.local.is_v4() || wanted.ipv6_required;
    if (!done && needed) return done;
    if (!done) notes.push_back("IPv6 is left out: " + done.error().to_string());
    if (a.local.is_v6()) ipv6 = done.has_value();
  }
  return {};
}

device_wanted tun_device::state::to_be() const {
  device_wanted out;
  out.name = name;
  out.mtu = wanted.mtu;
  out.txqueuelen = wanted.txqueuelen;
  for (const auto& a : addresses())
    if (a.local.is_v4() || ipv6) out.addresses.push_back({a.local, a.peer});
  return out;
}

result<device_found> tun_device::state::look() {
  device_found out;
  const auto link = netlink->find_link(index);
  if (!link) return unexpected{link.error()};
  if (!*link) return out;
  out.there = true;
  out.name = (*link)->name;
  out.mtu = (*link)->mtu;
  out.txqueuelen = (*link)->txqueuelen;
  out.up = (*link)->up;
  const auto there = netlink->addresses(index);
  if (!there) return unexpected{there.error()};
  for (const auto& a : *there)
    out.addresses.push_back(a.local);
  for (const bool v6 : {false, true}) {
    if (v6 && !ipv6) continue;
    const auto routes = netlink->routes({v6, index});
    if (!routes) return unexpected{routes.error()};
    for (const auto& r : *routes)
      if (r.type == RTN_UNICAST) out.routes.push_back(r.to);
  }
  return out;
}

result<void> tun_device::state::rename() {
  link_change change;
  change.name = name;
  auto done = netlink->change_link(index, change);
  if (done || done.error().number != EBUSY) return done;
  // Before Linux 6.2 it has to be down, and a request's name counts before its flags. An interface that
  // goes down loses routes, so not in vain.
  if (const auto taken = netlink->find_link(name); taken && *taken)
    return unexpected{os_error{EEXIST, "netlink RTM_NEWLINK", name}};
  const auto set_up = [&](bool up) {
    link_change flags;
    flags.up = up;
    return netlink->change_link(index, flags);
  };
  if (auto down = set_up(false); !down) return down;
  done = netlink->change_link(index, change);
  if (!done) static_cast<void>(set_up(true)); // else by the next look
  return done;
}

result<void> tun_device::state::add_route(const device_address& to) {
  route r;
  const bool v6 = to.peer.is_v6();
  r.to = {to.peer, static_cast<unsigned>(8 * to.peer.size())};
  r.hops = {{index, {}}};
  r.table = RT_TABLE_MAIN;
  r.protocol = RTPROT_KERNEL; // as the one was that came with the address, and goes with it
  if (v6)
    r.metric = 256;
  else
    r.source = to.local;
  return netlink->add_route(r);
}

result<void> tun_device::state::make_again() {
  if (wanted.fd >= 0)
    return unexpected{os_error{ENODEV, "device", name + ", which another program had opened"}};
  if (auto free = must_be_free(name); !free) return free;
  auto opened = open_queues(name);
  if (!opened) return unexpected{opened.error()};
  const bool had_ipv6 = ipv6;
  added.clear();
  const auto before = index.load();
  auto done = configure();
  if (done && had_ipv6 && !ipv6) done = unexpected{os_error{EADDRNOTAVAIL, "IPv6", name}};
  if (!done) {
    // It goes with what was opened, and is made once more at the next try.
    index = before;
    ipv6 = had_ipv6;
    return done;
  }
  for (std::size_t i = 0; i < queues.size(); ++i)
    queues[i]->offer(std::move(opened->fds[i]), opened->how);
  return {};
}

result<void> tun_device::state::mend(const device_repair& repair) {
  using kind = device_repair::kind;
  link_change change;
  switch (repair.what) {
  case kind::make_again: return make_again();
  case kind::rename: return rename();
  case kind::set_mtu: change.mtu = wanted.mtu; break;
  case kind::set_queue: change.txqueuelen = wanted.txqueuelen; break;
  case kind::set_up: change.up = true; break;
  case kind::address:
    for (const auto& a : addresses())
      if (a.local == repair.where.local) return add_address(a);
    return {};
  case kind::route: return add_route(repair.where);
  }
  return netlink->change_link(index, change);
}

tun_device::tun_device(std::unique_ptr<state> s) noexcept : state_(std::move(s)) {}
tun_device::tun_device(tun_device&&) noexcept = default;
tun_device& tun_device::operator=(tun_device&&) noexcept = default;
tun_device::~tun_device() = default;

result<tun_device> tun_device::open(kernel& k, const tun_options& options) {
  if (options.name.size() >= IFNAMSIZ)
    return unexpected{os_error{ENAMETOOLONG, "ioctl TUNSETIFF", options.name}};
  auto s = std::make_unique<state>(k, options);
  auto netlink = route_netlink::open(k);
  if (!netlink) return unexpected{netlink.error()};
  s->netlink.emplace(std::move(*netlink));
  if (options.fd < 0 && !options.name.empty())
    if (auto free = s->must_be_free(options.name); !free) return unexpected{free.error()};
  auto opened = options.fd < 0 ? s->open_queues(options.name) : s->take_queue();
  if (!opened) return unexpected{opened.error()};
  s->name = opened->name;
  for (auto& fd : opened->fds)
    s->queues.push_back(std::make_unique<tun_queue>(k, std::move(fd), opened->how));
  if (const auto done = s->configure(); !done) return unexpected{done.error()};
  return tun_device{std::move(s)};
}

result<device_report> tun_device::ensure() {
  device_report report;
  for (int looks = 0; looks < most_looks; ++looks) {
    const auto found = state_->look();
    if (!found) return unexpected{found.error()};
    const auto repairs = judge_device(state_->to_be(), *found);
    if (repairs.empty()) return report;
    std::optional<os_error> failed; // the first; the others are mended all the same
    for (const auto& repair : repairs) {
      auto what = what_happened(repair, *found);
      if (auto done = state_->mend(repair); !done) {
        if (failed) continue;
        failed = done.error();
        if (failed->detail.find(state_->name) == std::string::npos)
          failed->detail = state_->name + (failed->detail.empty() ? "" : ", " + failed->detail);
        failed->detail += ": " + what;
        continue;
      }
      report.made_again = report.made_again || repair.what == device_repair::kind::make_again;
      // What only follows from what others have done is not their doing.
      if (looks == 0) report.repaired.push_back(std::move(what));
    }
    if (failed) return unexpected{std::move(*failed)};
  }
  return unexpected{os_error{EBUSY, "device", state_->name + " does not stay as it is set"}};
}

bool tun_device::concerns(const netlink_changes& changes) const noexcept {
  const auto& links = changes.links;
  return changes.lost || std::find(links.begin(), links.end(), state_->index.load()) != links.end();
}

const std::string& tun_device::name() const noexcept { return state_->name; }
std::uint32_t tun_device::index() const noexcept { return state_->index; }
std::size_t tun_device::queues() const noexcept { return state_->queues.size(); }
packet_device& tun_device::queue(std::size_t i) noexcept { return *state_->queues[i]; }
bool tun_device::ipv6() const noexcept { return state_->ipv6; }
const std::vector<std::string>& tun_device::notes() const noexcept { return state_->notes; }

} // namespace tonel::sys
