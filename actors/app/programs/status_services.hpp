#pragma once

#include "actors/app/programs/start_error.hpp"
#include "actors/app/settings/settings.hpp"
#include "actors/messages/status.hpp"
#include "actors/root/host.hpp"
#include "system/decorators/packet_capture.hpp"
#include "system/stream_socket.hpp"
#include "system/tun_device.hpp"
#include "system/worker.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace tonel::actors::app {

/// Where people and programs ask the process about itself: the sockets of --control and --metrics, what
/// is told there, and the services that answer.
class status_services {
public:
  /// The settings outlive it; what they say is read when it is used.
  explicit status_services(const settings& chosen) : chosen_(chosen) {}

  std::optional<start_error> open_http();
  std::optional<start_error> open_control(const sys::tun_device& tun);

  /// The services, to run on this loop. The worker asks the system, and obeys who wants a capture.
  std::vector<service> start(reactor& control, const counter_list& counts,
                             const sys::tun_device& tun, sys::worker& worker,
                             const std::shared_ptr<sys::packet_capture>& captures) const;

private:
  std::shared_ptr<process_facts> facts(const counter_list& counts, const sys::tun_device& tun,
                                       sys::worker& worker,
                                       const std::shared_ptr<sys::packet_capture>& captures) const;

  const settings& chosen_;
  std::shared_ptr<sys::stream_listener> control_, http_;
};

} // namespace tonel::actors::app
