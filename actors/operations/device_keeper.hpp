#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/operations/repairs.hpp"
#include "actors/runtime/reactor_actor.hpp"
#include "actors/supervision/restart.hpp"
#include "protocol/deadlines.hpp"
#include "system/netlink_watch.hpp"
#include "system/tun_device.hpp"

#include <caf/behavior.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tonel::actors {

/// What the device keeper is spawned with; all of it outlives the actor.
struct device_keeper_start {
  std::string device; ///< its name
  /// Makes the device what it should be, without blocking, and calls back from any thread.
  std::function<void(std::function<void(sys::result<sys::device_report>)>)> ensure;
  /// Whether a change is our device's.
  std::function<bool(const sys::netlink_changes&)> concerns;
  int fd = -1; ///< readable when others have changed interfaces; -1: nothing tells
  std::function<sys::netlink_changes()> take;
};

/// The outcome of one look at the device.
struct device_checked {
  sys::result<sys::device_report> found;
};

struct device_keeper_state;

/// Keeps the TUN device what it was at the start, whatever others do to it: looks when the kernel tells of
/// a change of it (every second, where nobody tells), mends what is mended and says so, and tells the
/// queues of a device that was made again. What fails is tried again, after 1 s doubling to 60 s; as a
/// part of the process it is "failing" meanwhile.
caf::behavior device_keeper(pinned<device_keeper_state>* self, const device_keeper_start* start,
                            const caf::actor& root);

struct device_keeper_state {
  static inline const char* name = "device";

  explicit device_keeper_state(pinned<device_keeper_state>* owner) : self(owner) {}
  void start(const device_keeper_start* s, const caf::actor& root_supervisor);
  void on_ready();
  void on_timer();
  void set_queues(const peers_changed& peers);
  void checked(const sys::result<sys::device_report>& found);

private:
  void look();
  void look_at(protocol::time_point at);
  void renew();
  void good(const sys::device_report& report);
  void bad(const std::string& reason);
  void tell(const char* state, const std::string& detail);

  pinned<device_keeper_state>* self;
  const device_keeper_start* given = nullptr;
  caf::actor root;
  std::vector<tun_queue_actor> queues;
  backoff retry{std::chrono::seconds{1}, std::chrono::seconds{2}, std::chrono::seconds{60}};
  enum class timer : std::uint8_t { look, count };
  protocol::deadlines<timer> timers;
  bool looking = false, again = false;
  protocol::time_point asked_at{};                  ///< of the look under way
  repair_pace pace{std::chrono::milliseconds{100}}; ///< it is to be mended within a second
  bool renewed = false;                             ///< it has been made again, at least once
  std::string failing;                              ///< why; empty: it is not
};

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::device_checked)
