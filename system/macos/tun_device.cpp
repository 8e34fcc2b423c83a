#include "system/tun_device.hpp"

#include "system/macos/abi.hpp"
#include "system/macos/interface.hpp"
#include "system/macos/routes.hpp"
#include "system/macos/utun_queue.hpp"

#include <net/if.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

struct sockaddr;

namespace tonel::sys {

namespace {

constexpr unsigned prefix6 = 64;

/// The kernel's unit for "utunN"; 0 for no name; nothing for another.
std::optional<std::uint32_t> unit_of(const std::string& name) {
  if (name.empty()) return 0;
  const std::string start = "utun";
  if (name.rfind(start, 0) != 0 || name.size() == start.size() || name.size() > start.size() + 5)
    return {};
  std::uint32_t number = 0;
  for (const char c : name.substr(start.size())) {
    if (c < '0' || c > '9') return {};
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return number + 1;
}

result<std::string> name_of(kernel& k, int fd) {
  std::array<char, darwin::name_size> name{};
  unsigned size = name.size();
  if (const int r =
          k.getsockopt(fd, darwin::sysproto_control, darwin::utun_opt_ifname, name.data(), &size);
      r < 0)
    return unexpected{os_error{-r, "getsockopt UTUN_OPT_IFNAME", std::to_string(fd)}};
  name.back() = '\0';
  return std::string{name.data()};
}

result<descriptor> make_utun(kernel& k, const std::string& name, std::uint32_t unit) {
  descriptor fd{k, k.socket(darwin::pf_system, darwin::sock_dgram, darwin::sysproto_control)};
  if (!fd) return unexpected{os_error{-fd.get(), "socket PF_SYSTEM", {}}};
  darwin::ctl_info info;
  std::memcpy(info.name, darwin::utun_control_name, sizeof darwin::utun_control_name);
  if (const int r = k.ioctl(fd.get(), darwin::ctliocginfo, &info); r < 0)
    return unexpected{os_error{-r, "ioctl CTLIOCGINFO", darwin::utun_control_name}};
  darwin::sockaddr_ctl address;
  address.id = info.id;
  address.unit = unit;
  // Nothing but this makes the device; EBUSY: another program has one of this number.
  if (const int r =
          k.connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
      r < 0)
    return unexpected{os_error{-r, "connect utun", name}};
  return fd;
}

} // namespace

struct tun_device::state {
  std::string name;
  std::uint32_t index = 0;
  bool ipv6 = false;
  std::vector<std::string> notes;
  std::unique_ptr<utun_queue> queue;
  std::optional<interface_control> control;
  std::vector<protocol::ip_address> added;

  ~state() {
    // Where the device vanishes with its descriptor this is needless, but harmless.
    for (auto a = added.rbegin(); a != added.rend(); ++a)
      control->remove_address(*a);
  }

  result<void> open(kernel& k, const tun_options& o);
  result<void> configure(kernel& k, const tun_options& o);
  result<void> add_ipv6(kernel& k, const tun_options& o);
};

result<void> tun_device::state::open(kernel& k, const tun_options& o) {
  descriptor fd{k, o.fd};
  if (o.fd < 0) {
    const auto unit = unit_of(o.name);
    if (!unit)
      return unexpected{
          os_error{EINVAL, "connect utun", o.name + ": devices are called utunN here"}};
    auto made = make_utun(k, o.name, *unit);
    if (!made) return unexpected{made.error()};
    fd = std::move(*made);
  }
  auto found = name_of(k, fd.get());
  if (!found) return unexpected{found.error()};
  name = std::move(*found);
  // Who opened a given one may have wanted neither.
  std::int32_t on = 1;
  if (const int r = k.ioctl(fd.get(), darwin::fionbio, &on); r < 0)
    return unexpected{os_error{-r, "ioctl FIONBIO", name}};
  static_cast<void>(k.ioctl(fd.get(), darwin::fioclex, nullptr));
  queue = std::make_unique<utun_queue>(k, std::move(fd), o.mtu);
  return {};
}

result<void> tun_device::state::add_ipv6(kernel& k, const tun_options& o) {
  if (auto done = control->add_address6(o.local6, prefix6); !done) return done;
  added.push_back(o.local6);
  if (!o.peer6) return {};
  // The prefix alone makes none on every version.
  auto routes = route_socket::open(k);
  if (!routes) return unexpected{routes.error()};
  return routes->add(o.peer6, index);
}

result<void> tun_device::state::configure(kernel& k, const tun_options& o) {
  auto opened = interface_control::open(k, name);
  if (!opened) return unexpected{opened.error()};
  control.emplace(std::move(*opened));
  index = ::if_nametoindex(name.c_str());
  if (auto done = control->set_mtu(o.mtu); !done) return done;
  if (o.local4) {
    if (auto done = control->add_address4(o.local4, o.peer4); !done) return done;
    added.push_back(o.local4);
  }
  if (auto done = control->set_up(); !done) return done;
  if (o.local6) {
    auto done = add_ipv6(k, o);
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
  if (options.queues > 1)
    return unexpected{os_error{EOPNOTSUPP, "connect utun", "a device has one queue here"}};
  auto s = std::make_unique<state>();
  if (auto done = s->open(k, options); !done) return unexpected{done.error()};
  if (auto done = s->configure(k, options); !done) return unexpected{done.error()};
  return tun_device{std::move(s)};
}

const std::string& tun_device::name() const noexcept { return state_->name; }
std::uint32_t tun_device::index() const noexcept { return state_->index; }
std::size_t tun_device::queues() const noexcept { return 1; }
packet_device& tun_device::queue(std::size_t) noexcept { return *state_->queue; }
bool tun_device::ipv6() const noexcept { return state_->ipv6; }
const std::vector<std::string>& tun_device::notes() const noexcept { return state_->notes; }
// A utun goes with its program alone, and nobody tells of the rest.
result<device_report> tun_device::ensure() { return device_report{}; }
bool tun_device::concerns(const netlink_changes&) const noexcept { return false; }

} // namespace tonel::sys
