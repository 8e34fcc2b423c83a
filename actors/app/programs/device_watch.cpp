#include "actors/app/programs/device_watch.hpp"

#include "actors/runtime/log.hpp"
#include "system/kernel.hpp"

#include <cerrno>
#include <utility>

namespace tonel::actors::app {

device_watch::device_watch(const std::shared_ptr<sys::tun_device>& device, sys::worker& worker) {
  auto opened = sys::netlink_watch::open(sys::real_kernel(), sys::netlink_watch::subject::device);
  if (!opened && opened.error().number == EOPNOTSUPP) return;
  auto& start = start_.emplace();
  start.device = device->name();
  start.ensure = [&worker, device](auto done) {
    worker.run([device] { return device->ensure(); }, std::move(done));
  };
  start.concerns = [device](const sys::netlink_changes& changes) {
    return device->concerns(changes);
  };
  if (!opened) {
    log_warn("changes of the device will be noticed late: ", opened.error());
    return;
  }
  changes_.emplace(std::move(*opened));
  start.fd = changes_->fd();
  start.take = [this] { return changes_->take(); };
}

std::optional<service> device_watch::keeper(reactor& control) const {
  if (!start_) return std::nullopt;
  return service{"device", [&control, start = &*start_](const caf::actor& root) {
                   return control.spawn(device_keeper, start, root);
                 }};
}

} // namespace tonel::actors::app
