#include "system/tun_device.hpp"

#include "system/linux/netlink.hpp"
#include "system/linux/tun_queue.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
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

bool same(const link_address& a, const link_address& b) noexcept {
  return a.local == b.local && a.prefix == b.prefix && (!b.peer || a.peer == b.peer);
}

} // namespace

struct tun_device::state {
  std::string name;
  link_info link;
  bool ipv6 = false;
  std::vector<std::string> notes;
  std::vector<std::unique_ptr<tun_queue>> queues;
  std::vector<link_address> added;
  std::optional<route_netlink> netlink;

  ~state() {
    // Only needed for persistent devices: others vanish with their queues.
    for (auto a = added.rbegin(); a != added.rend(); ++a)
      static_cast<void>(netlink->remove_address(link.index, *a));
  }

  result<void> open_queues(kernel& k, const tun_options& o);
  result<void> take_queue(kernel& k, const tun_options& o);
  void start_queues(kernel& k, const tun_options& o, std::vector<descriptor> fds, bool vnet,
                    const char* why_not);
  result<void> configure(const tun_options& o);
  result<void> set_link(const tun_options& o);
  result<void> ensure_address(const std::vector<link_address>& there, const link_address& a);
};

result<void> tun_device::state::open_queues(kernel& k, const tun_options& o) {
  std::vector<attempt> attempts;
  for (const bool multi : {true, false}) {
    // A persistent device made without multi_queue serves as well, if one queue is enough.
    if (!multi && o.queues > 1) continue;
    if (o.want_offload) attempts.push_back({multi, true});
    attempts.push_back({multi, false});
  }
  attempt chosen{};
  result<opened_queue> first = unexpected{os_error{EINVAL, "ioctl TUNSETIFF", o.name}};
  for (const auto a : attempts) {
    chosen = a;
    first = open_queue(k, o.name, a);
    if (first || first.error().number != EINVAL) break;
  }
  if (!first) return unexpected{first.error()};
  name = first->name;
  std::vector<descriptor> fds;
  fds.push_back(std::move(first->fd));
  while (fds.size() < o.queues) {
    auto next = open_queue(k, name, chosen);
    if (!next) return unexpected{next.error()};
    fds.push_back(std::move(next->fd));
  }
  start_queues(k, o, std::move(fds), chosen.vnet, "the kernel does not take IFF_VNET_HDR");
  return {};
}

result<void> tun_device::state::take_queue(kernel& k, const tun_options& o) {
  descriptor fd{k, o.fd};
  ifreq request{};
  if (const int r = k.ioctl(fd.get(), TUNGETIFF, &request); r < 0)
    return unexpected{os_error{-r, "ioctl TUNGETIFF", std::to_string(o.fd)}};
  request.ifr_name[IFNAMSIZ - 1] = '\0';
  name = request.ifr_name;
  const auto flags = static_cast<unsigned short>(request.ifr_flags);
  if ((flags & IFF_TUN) == 0 || (flags & IFF_NO_PI) == 0)
    return unexpected{os_error{EINVAL, "ioctl TUNGETIFF", name}};
  // Whoever opened the descriptor may have set it otherwise.
  int on = 1;
  if (const int r = k.ioctl(fd.get(), FIONBIO, &on); r < 0)
    return unexpected{os_error{-r, "ioctl FIONBIO", name}};
  static_cast<void>(k.ioctl(fd.get(), FIOCLEX, nullptr));
  const bool vnet = (flags & IFF_VNET_HDR) != 0;
  if (vnet) {
    int size = 10;
    if (const int r = k.ioctl(fd.get(), TUNSETVNETHDRSZ, &size); r < 0)
      return unexpected{os_error{-r, "ioctl TUNSETVNETHDRSZ", name}};
  }
  std::vector<descriptor> fds;
  fds.push_back(std::move(fd));
  start_queues(k, o, std::move(fds), vnet, "the given descriptor was opened without IFF_VNET_HDR");
  return {};
}

void tun_device::state::start_queues(kernel& k, const tun_options& o, std::vector<descriptor> fds,
                                     bool vnet, const char* why_not) {
  bool offload = o.want_offload && vnet;
  if (o.want_offload && !vnet) notes.push_back(std::string{"TUN offload is off: "} + why_not);
  if (offload) {
    if (const int r = set_offload(k, fds[0].get(), TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6); r < 0) {
      offload = false;
      notes.push_back("TUN offload is off: " + os_error{-r, "ioctl TUNSETOFFLOAD", {}}.to_string());
    }
  }
  // Offload is a property of the device: a persistent one may still have it on.
  if (vnet && !offload) set_offload(k, fds[0].get(), 0);
  for (auto& fd : fds)
    queues.push_back(
        std::make_unique<tun_queue>(k, std::move(fd), tun_queue::mode{vnet, offload, o.mtu}));
}

result<void> tun_device::state::set_link(const tun_options& o) {
  link_change change;
  if (link.mtu != o.mtu) change.mtu = o.mtu;
  if (link.txqueuelen != o.txqueuelen) change.txqueuelen = o.txqueuelen;
  // Before the device comes up: otherwise IPv6 makes a link-local address and solicits routers,
  // among the tunnel's packets. Fails where there is no IPv6.
  if (!link.up) {
    link_change quiet;
    quiet.no_link_local = true;
    static_cast<void>(netlink->change_link(link.index, quiet));
  }
  change.up = !link.up;
  if (!change.mtu && !change.txqueuelen && !change.up) return {};
  auto done = netlink->change_link(link.index, change);
  if (!done) done.error().detail = name;
  return done;
}

result<void> tun_device::state::ensure_address(const std::vector<link_address>& there,
                                               const link_address& a) {
  if (std::any_of(there.begin(), there.end(), [&](const auto& b) { return same(b, a); })) return {};
  auto done = netlink->add_address(link.index, a);
  if (done) added.push_back(a);
  if (!done && done.error().number == EEXIST) return {};
  return done;
}

result<void> tun_device::state::configure(const tun_options& o) {
  const auto found = netlink->find_link(name);
  if (!found) return unexpected{found.error()};
  if (!*found) return unexpected{os_error{ENODEV, "netlink RTM_GETLINK", name}};
  link = **found;
  if (auto done = set_link(o); !done) return done;
  const auto there = netlink->addresses(link.index);
  if (!there) return unexpected{there.error()};
  if (o.local4)
    if (auto done = ensure_address(*there, {o.local4, o.peer4, 24}); !done) return done;
  if (o.local6) {
    auto done = ensure_address(*there, {o.local6, o.peer6, 64});
    if (!done && o.ipv6_required) return done;
    if (!done) notes.push_back("IPv6 is left out: " + done.error().to_string());
    ipv6 = done.has_value();
  }
  return {};
}

tun_device::tun_device(std::unique_ptr<state> s) noexcept : state_(std::move(s)) {}
tun_device::tun_device(tun_device&&) noexcept = default;
tun_device& tun_device::operator=(tun_device&&) noexcept = default;
tun_device::~tun_device() = default;

result<tun_device> tun_device::open(kernel& k, const tun_options& options) {
  if (options.name.size() >= IFNAMSIZ)
    return unexpected{os_error{ENAMETOOLONG, "ioctl TUNSETIFF", options.name}};
  auto s = std::make_unique<state>();
  auto netlink = route_netlink::open(k);
  if (!netlink) return unexpected{netlink.error()};
  s->netlink.emplace(std::move(*netlink));
  // A multi-queue device accepts queues of any number of processes, and spreads packets over all of
  // them. So a device that another program has open, as its carrier shows, is not joined.
  if (options.fd < 0 && !options.name.empty()) {
    const auto before = s->netlink->find_link(options.name);
    if (before && *before && (*before)->carrier)
      return unexpected{os_error{EBUSY, "ioctl TUNSETIFF", options.name}};
  }
  const auto opened = options.fd < 0 ? s->open_queues(k, options) : s->take_queue(k, options);
  if (!opened) return unexpected{opened.error()};
  if (const auto done = s->configure(options); !done) return unexpected{done.error()};
  return tun_device{std::move(s)};
}

const std::string& tun_device::name() const noexcept { return state_->name; }
std::uint32_t tun_device::index() const noexcept { return state_->link.index; }
std::size_t tun_device::queues() const noexcept { return state_->queues.size(); }
packet_device& tun_device::queue(std::size_t i) noexcept { return *state_->queues[i]; }
bool tun_device::ipv6() const noexcept { return state_->ipv6; }
const std::vector<std::string>& tun_device::notes() const noexcept { return state_->notes; }

} // namespace tonel::sys
