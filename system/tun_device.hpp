#pragma once

#include "protocol/address.hpp"
#include "system/kernel.hpp"
#include "system/netlink_watch.hpp"
#include "system/os_error.hpp"
#include "system/packet_device.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tonel::sys {

/// The options to open a TUN device with.
struct tun_options {
  std::string name; ///< empty: the kernel picks
  int fd = -1;      ///< of a device opened by another program; name and queues are then ignored
  std::size_t queues = 1;
  bool want_offload = true;
  std::uint16_t mtu = 1500;
  std::uint32_t txqueuelen = 2048;    ///< packets
  protocol::ip_address local4, peer4; ///< the host's and the program's side, point-to-point
  protocol::ip_address local6, peer6; ///< likewise; unspecified: no IPv6
  bool ipv6_required = false;         ///< a host without IPv6 is an error, not a note
};

/// The result of one tun_device::ensure().
struct device_report {
  std::vector<std::string> repaired; ///< what others had done, a few words each; empty: nothing
  bool made_again = false;           ///< each queue's renew() takes the new device
};

/// A TUN device with all its queues, up and with addresses.
/// Owns:   the descriptors, and the addresses that it added; a persistent device (ip tuntap add)
///         stays, without these
/// Thread: one at a time, except concerns(); and one at a time for each queue
class tun_device {
public:
  /// Opens all queues, with segmentation offload if wanted and possible; sets MTU, queue length and
  /// addresses; sets the link up. Sets nothing that a persistent device already has, so that a
  /// process without CAP_NET_ADMIN can use a prepared device.
  /// Owns:   a given descriptor is taken over, and closed at the end or on failure. It keeps its
  ///         flags: without IFF_VNET_HDR there is no offload
  /// Errors: ENOENT, ENODEV, EACCES or EPERM of "open /dev/net/tun", and EPERM of "ioctl TUNSETIFF"
  ///         or netlink: no device node or capability; EBUSY: the name is in use; EINVAL of "ioctl
  ///         TUNSETIFF": no TUN, or made without multi_queue while several queues are wanted. Of a
  ///         given descriptor: EBADF or ENOTTY of "ioctl TUNGETIFF": no open TUN; EINVAL: a TAP, or
  ///         one with packet information
  static result<tun_device> open(kernel& k, const tun_options& options);

  tun_device(tun_device&&) noexcept;
  tun_device& operator=(tun_device&&) noexcept;
  ~tun_device();

  /// Its actual name.
  const std::string& name() const noexcept;
  /// Its number as an interface.
  std::uint32_t index() const noexcept;
  std::size_t queues() const noexcept;
  /// Queue i < queues(); lives as long as the device.
  packet_device& queue(std::size_t i) noexcept;
  /// Whether it has IPv6 addresses.
  bool ipv6() const noexcept;
  /// What the device lacks of the options, as lines for the log.
  const std::vector<std::string>& notes() const noexcept;

  /// Makes the device what it was after open(), as far as others have changed that: name, MTU, a queue of
  /// no packets, addresses, routes to the program's ends; up; and one that was deleted is made again.
  /// Errors: those of open(); ENODEV: it was deleted, and had been opened by another program; EBUSY: it
  ///         does not stay as it is set
  result<device_report> ensure();
  /// Whether what others have changed may be this device's. Thread: any
  bool concerns(const netlink_changes& changes) const noexcept;

private:
  struct state;
  explicit tun_device(std::unique_ptr<state> s) noexcept;
  std::unique_ptr<state> state_;
};

} // namespace tonel::sys
