#pragma once

#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tonel::sys {

/// What the kernel has told since the last time.
struct netlink_changes {
  bool something = false;          ///< any message at all
  bool lost = false;               ///< there were more than the socket could hold
  std::vector<std::string> tables; ///< nftables: those of which something was made or deleted
};

/// Listens to what others change: rules of nftables, or routes and addresses.
/// Thread: one at a time
/// Source: man 7 netlink; man 7 rtnetlink; linux/netfilter/nf_tables.h
class netlink_watch {
public:
  enum class subject : std::uint8_t { rules, routes };

  /// Errors: EPERM: rules need CAP_NET_ADMIN; EPROTONOSUPPORT: a kernel without netfilter
  static result<netlink_watch> open(kernel& k, subject what);

  /// Readable when take() has something.
  int fd() const noexcept { return fd_.get(); }
  netlink_changes take();

private:
  netlink_watch(kernel& k, descriptor fd, subject what) noexcept
      : kernel_{&k}, fd_{std::move(fd)}, what_{what} {}
  kernel* kernel_;
  descriptor fd_;
  subject what_;
};

} // namespace tonel::sys
