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

/// The sockets of --control and --metrics, the facts about the process that are told there, and the
/// services that answer.
class status_services {
public:
  /// chosen: outlives this object; read at each use
  explicit status_services(const settings& chosen) : chosen_(chosen) {}

  std::optional<start_error> open_http();
  std::optional<start_error> open_control(const sys::tun_device& tun);

  /// The services to run on the control loop. The worker asks the system and carries out captures.
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
