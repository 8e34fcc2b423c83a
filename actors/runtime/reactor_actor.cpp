#include "actors/runtime/reactor_actor.hpp"

#include "actors/runtime/log.hpp"

#include <caf/make_message.hpp>

#include <algorithm>
#include <exception>

namespace tonel::actors {

reactor_actor::reactor_actor(caf::actor_config& config)
    : caf::event_based_actor(config), loop_(dynamic_cast<reactor&>(*config.host)) {
  set_exception_handler(
      [this](caf::scheduled_actor*, std::exception_ptr& thrown) { return fault(thrown); });
  // CAF's default prints to stdout; a message without handler is a bug, worth a line in debug.
  set_default_handler([](caf::scheduled_actor* self, caf::message_view& view) {
    log_debug("the ", self->name(), " actor does not take ", view.content().stringify());
    return caf::result<caf::message>{caf::sec::unexpected_message};
  });
}

reactor_actor::~reactor_actor() = default;

caf::error reactor_actor::fault(const std::exception_ptr& thrown) {
  const char* text = "an exception of unknown type";
  std::string kept;
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    kept = e.what();
    text = kept.c_str();
  } catch (...) { // NOLINT: whatever it is, it ends this actor alone
  }
  if (before_fault_) (*before_fault_)();
  log_error("the ", name(), " actor ended by a fault: ", text);
  return caf::make_error(caf::sec::runtime_error, std::string{name()}, std::string{text});
}

bool reactor_actor::take(const fd_event&) { return false; }
bool reactor_actor::take(timer_event) { return false; }
void* reactor_actor::find_inlet(const std::type_info&) noexcept { return nullptr; }

void reactor_actor::on_fault(std::function<void()> before) {
  before_fault_ = std::make_unique<std::function<void()>>(std::move(before));
}

void reactor_actor::enqueue(caf::mailbox_element_ptr element, caf::execution_unit*) {
  caf::event_based_actor::enqueue(std::move(element), &loop_);
}

caf::resumable::resume_result reactor_actor::resume(caf::execution_unit* unit,
                                                    std::size_t max_throughput) {
  const reactor::running_scope scope{loop_, *this};
  return caf::event_based_actor::resume(unit, max_throughput);
}

bool reactor_actor::cleanup(caf::error&& reason, caf::execution_unit* unit) {
  // Releases the reactor's references to this actor, on its thread; they may be the last ones. An
  // actor destroyed without having run has none, and no reference to it may be made any more.
  caf::strong_actor_ptr guard;
  if (!watches_.empty() || timer_) guard.reset(ctrl());
  for (const auto id : watches_)
    loop_.forget(id);
  watches_.clear();
  if (timer_) loop_.destroy_timer(*timer_);
  before_fault_ = nullptr;
  timer_.reset();
  return caf::event_based_actor::cleanup(std::move(reason), unit);
}

reactor::watch_id reactor_actor::watch(int fd, std::shared_ptr<void> keep) {
  watches_.push_back(loop_.watch(fd, sys::interest::readable, this, std::move(keep)));
  return watches_.back();
}

void reactor_actor::unwatch(reactor::watch_id watch) noexcept {
  watches_.erase(std::remove(watches_.begin(), watches_.end(), watch), watches_.end());
  loop_.forget(watch);
}

void reactor_actor::arm(std::optional<protocol::time_point> at) {
  const auto wanted = at.value_or(disarmed);
  if (wanted == armed_at_ && (!at || loop_.timers().armed(*timer_))) return;
  armed_at_ = wanted;
  if (!timer_) {
    if (!at) return;
    timer_ = loop_.create_timer(this);
  }
  loop_.arm_timer(*timer_, at);
}

} // namespace tonel::actors
