#pragma once

#include "actors/operations/device_keeper.hpp"
#include "actors/root/host.hpp"
#include "system/netlink_watch.hpp"
#include "system/tun_device.hpp"
#include "system/worker.hpp"

#include <memory>
#include <optional>

namespace tonel::actors::app {

/// What the device keeper keeps the TUN device of the real host with.
/// Owns: the device, together with jobs of the worker: the end of the process does not wait for one that
///       hangs
class device_watch {
public:
  device_watch(const std::shared_ptr<sys::tun_device>& device, sys::worker& worker);
  device_watch(const device_watch&) = delete;
  device_watch& operator=(const device_watch&) = delete;

  /// Nothing: on this system nobody can take the device away.
  std::optional<service> keeper(reactor& control) const;

private:
  std::optional<sys::netlink_watch> changes_;
  std::optional<device_keeper_start> start_;
};

} // namespace tonel::actors::app
