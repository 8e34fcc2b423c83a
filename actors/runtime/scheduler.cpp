#include "actors/runtime/scheduler.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/detail/thread_safe_actor_clock.hpp>
#include <caf/policy/work_sharing.hpp>
#include <caf/scheduler/coordinator.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace tonel::actors {

namespace {

using caf_clock = caf::detail::thread_safe_actor_clock;

/// A clock that ignores cancellations as long as no timeout was ever set. Each ending actor cancels
/// its timeouts; for that CAF's clock takes a lock, wakes its thread, and blocks after 64
/// cancellations, which took a sixth of all time with some thousand sessions a second.
class lazy_clock final : public caf_clock {
public:
  explicit lazy_clock(caf_clock& real) : real_(real) {}

  void set_ordinary_timeout(time_point t, caf::abstract_actor* self, caf::atom_value type,
                            std::uint64_t id) override {
    used().set_ordinary_timeout(t, self, type, id);
  }
  void set_multi_timeout(time_point t, caf::abstract_actor* self, caf::atom_value type,
                         std::uint64_t id) override {
    used().set_multi_timeout(t, self, type, id);
  }
  void set_request_timeout(time_point t, caf::abstract_actor* self, caf::message_id id) override {
    used().set_request_timeout(t, self, id);
  }
  void schedule_message(time_point t, caf::strong_actor_ptr receiver,
                        caf::mailbox_element_ptr content) override {
    used().schedule_message(t, std::move(receiver), std::move(content));
  }
  void schedule_message(time_point t, caf::group target, caf::strong_actor_ptr sender,
                        caf::message content) override {
    used().schedule_message(t, std::move(target), std::move(sender), std::move(content));
  }
  void cancel_ordinary_timeout(caf::abstract_actor* self, caf::atom_value type) override {
    if (is_used_) real_.cancel_ordinary_timeout(self, type);
  }
  void cancel_request_timeout(caf::abstract_actor* self, caf::message_id id) override {
    if (is_used_) real_.cancel_request_timeout(self, id);
  }
  void cancel_timeouts(caf::abstract_actor* self) override {
    if (is_used_) real_.cancel_timeouts(self);
  }
  void cancel_all() override {
    if (is_used_) real_.cancel_all();
  }

private:
  caf_clock& used() noexcept {
    is_used_ = true;
    return real_;
  }

  caf_clock& real_;
  // No race: an actor sets and cancels its timeouts on one thread.
  std::atomic<bool> is_used_{false};
};

class idle_scheduler final : public caf::scheduler::coordinator<caf::policy::work_sharing> {
  using super = caf::scheduler::coordinator<caf::policy::work_sharing>;

public:
  explicit idle_scheduler(caf::actor_system& system) : super(system), clock_(super::clock()) {}
  caf_clock& clock() noexcept override { return clock_; }
  static caf::actor_system::module* make(caf::actor_system& system, caf::detail::type_list<>) {
    return new idle_scheduler(system); // the actor system owns it
  }

private:
  lazy_clock clock_;
};

} // namespace

void use_idle_scheduler(caf::actor_system_config& config) {
  config.load<idle_scheduler>();
  // The default is a thread for each processor, all of which poll.
  config.set("scheduler.max-threads", std::size_t{1});
}

} // namespace tonel::actors
