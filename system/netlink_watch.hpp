#pragma once

#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <string>
#include <vector>

struct nlmsghdr;

namespace tonel::sys {

/// What the kernel has reported since the last take().
struct netlink_changes {
  bool something = false;           ///< there was a message
  bool lost = false;                ///< messages were lost, the socket being full
  std::vector<std::string> tables;  ///< nftables: the tables with additions or removals
  std::vector<std::uint32_t> links; ///< device: the interfaces with changes, by number
};

/// Watches for changes by other programs: of nftables rules; of whatever decides over routes
/// (policy rules, addresses, interfaces that come and go, forwarding); or of interfaces, with their
/// addresses and routes.
/// Owns:   the netlink socket
/// Thread: one at a time
/// Source: man 7 netlink; man 7 rtnetlink; linux/netfilter/nf_tables.h
class netlink_watch {
public:
  enum class subject : std::uint8_t { rules, routes, device };

  /// Errors: EPERM: rules need CAP_NET_ADMIN; EPROTONOSUPPORT: a kernel without netfilter; EOPNOTSUPP:
  ///         nobody tells of such changes here
  static result<netlink_watch> open(kernel& k, subject what);

  /// Readable when take() has something.
  int fd() const noexcept { return fd_.get(); }
  /// All changes since the last call; never blocks.
  netlink_changes take();

private:
  netlink_watch(kernel& k, descriptor fd, subject what) noexcept
      : kernel_{&k}, fd_{std::move(fd)}, what_{what} {}
  void take(const nlmsghdr& message, netlink_changes& out) const;

  kernel* kernel_;
  descriptor fd_;
  subject what_;
};

} // namespace tonel::sys
