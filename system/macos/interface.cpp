#include "system/macos/interface.hpp"

#include "system/macos/abi.hpp"

#include <algorithm>
#include <cstring>

namespace tonel::sys {

namespace {

darwin::sockaddr_in as_v4(const protocol::ip_address& a) noexcept {
  darwin::sockaddr_in out;
  std::memcpy(out.address, a.data(), sizeof out.address);
  return out;
}

darwin::sockaddr_in6 as_v6(const protocol::ip_address& a) noexcept {
  darwin::sockaddr_in6 out;
  std::memcpy(out.address, a.data(), sizeof out.address);
  return out;
}

darwin::sockaddr_in6 mask_of(unsigned prefix) noexcept {
  darwin::sockaddr_in6 out;
  for (unsigned i = 0; i < 16; ++i) {
    const auto bits = std::min(8u, prefix - std::min(prefix, i * 8));
    out.address[i] = static_cast<std::uint8_t>(0xff00u >> bits);
  }
  return out;
}

template <class Request> Request named(const std::string& name) noexcept {
  Request out;
  name.copy(out.name, darwin::name_size - 1);
  return out;
}

} // namespace

result<interface_control> interface_control::open(kernel& k, std::string name) {
  descriptor fd{k, k.socket(darwin::af_inet, darwin::sock_dgram, 0)};
  if (!fd) return unexpected{os_error{-fd.get(), "socket", name}};
  return interface_control{k, std::move(name), std::move(fd)};
}

template <class Request>
result<void> interface_control::call(int fd, unsigned long number, Request& r,
                                     const char* operation) {
  if (const int e = kernel_->ioctl(fd, number, &r); e < 0)
    return unexpected{os_error{-e, operation, name_}};
  return {};
}

result<descriptor> interface_control::v6_socket() {
  descriptor fd{*kernel_, kernel_->socket(darwin::af_inet6, darwin::sock_dgram, 0)};
  if (!fd) return unexpected{os_error{-fd.get(), "socket", "IPv6"}};
  return fd;
}

result<void> interface_control::set_mtu(std::uint32_t mtu) {
  auto r = named<darwin::ifreq>(name_);
  r.value = static_cast<std::int32_t>(mtu);
  return call(v4_.get(), darwin::siocsifmtu, r, "ioctl SIOCSIFMTU");
}

result<void> interface_control::set_up() {
  auto r = named<darwin::ifreq>(name_);
  if (auto done = call(v4_.get(), darwin::siocgifflags, r, "ioctl SIOCGIFFLAGS"); !done)
    return done;
  std::uint16_t flags = 0;
  std::memcpy(&flags, &r.value, sizeof flags);
  if ((flags & darwin::iff_up) != 0) return {};
  flags |= darwin::iff_up;
  std::memcpy(&r.value, &flags, sizeof flags);
  return call(v4_.get(), darwin::siocsifflags, r, "ioctl SIOCSIFFLAGS");
}

result<void> interface_control::add_address4(const protocol::ip_address& local,
                                             const protocol::ip_address& peer) {
  auto r = named<darwin::ifaliasreq>(name_);
  r.address = as_v4(local);
  r.destination = as_v4(peer);
  std::fill(std::begin(r.mask.address), std::end(r.mask.address), std::uint8_t{0xff});
  auto done = call(v4_.get(), darwin::siocaifaddr, r, "ioctl SIOCAIFADDR");
  if (!done) done.error().detail += " " + local.to_string();
  return done;
}

result<void> interface_control::add_address6(const protocol::ip_address& local, unsigned prefix) {
  auto fd = v6_socket();
  if (!fd) return unexpected{fd.error()};
  auto r = named<darwin::in6_aliasreq>(name_);
  r.address = as_v6(local);
  r.mask = mask_of(prefix);
  r.flags = darwin::in6_iff_nodad;
  // Allowed with a prefix of 128 bits only, which would leave the host no route to the peer.
  r.destination.length = r.destination.family = 0;
  auto done = call(fd->get(), darwin::siocaifaddr_in6, r, "ioctl SIOCAIFADDR_IN6");
  if (!done) done.error().detail += " " + local.to_string();
  return done;
}

void interface_control::remove_address(const protocol::ip_address& local) noexcept {
  if (local.is_v4()) {
    auto r = named<darwin::ifreq_address>(name_);
    r.address = as_v4(local);
    kernel_->ioctl(v4_.get(), darwin::siocdifaddr, &r);
    return;
  }
  const auto fd = v6_socket();
  if (!fd) return;
  auto r = named<darwin::in6_ifreq>(name_);
  r.address = as_v6(local);
  kernel_->ioctl(fd->get(), darwin::siocdifaddr_in6, &r);
}

} // namespace tonel::sys
