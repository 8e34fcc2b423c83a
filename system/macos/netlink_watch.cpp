#include "system/netlink_watch.hpp"

#include "system/macos/abi.hpp"
#include "system/macos/route_message.hpp"

#include <array>
#include <cerrno>

namespace tonel::sys {

result<netlink_watch> netlink_watch::open(kernel& k, subject what) {
  // pf tells nobody of changes; the rules are looked at from time to time instead.
  if (what == subject::rules)
    return unexpected{os_error{EOPNOTSUPP, "pf", "it does not tell of changes"}};
  if (what == subject::device)
    return unexpected{os_error{EOPNOTSUPP, "PF_ROUTE", "a utun goes with its program alone"}};
  descriptor fd{k, k.socket(darwin::pf_route, darwin::sock_raw, 0)};
  if (!fd) return unexpected{os_error{-fd.get(), "socket PF_ROUTE", {}}};
  std::int32_t on = 1;
  if (const int r = k.ioctl(fd.get(), darwin::fionbio, &on); r < 0)
    return unexpected{os_error{-r, "ioctl FIONBIO", "PF_ROUTE"}};
  return netlink_watch{k, std::move(fd), what};
}

netlink_changes netlink_watch::take() {
  netlink_changes out;
  if (what_ != subject::routes) return out;
  alignas(8) std::array<std::uint8_t, 2'048> buffer{};
  for (;;) {
    const long got = kernel_->read(fd_.get(), buffer.data(), buffer.size());
    if (got == -ENOBUFS) {
      out.something = out.lost = true;
      continue;
    }
    if (got <= 0) return out;
    out.something |= is_route_change({buffer.data(), static_cast<std::size_t>(got)});
  }
}

} // namespace tonel::sys
