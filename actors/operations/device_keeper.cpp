#include "actors/operations/device_keeper.hpp"

#include "actors/runtime/behavior_of.hpp"
#include "actors/runtime/log.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace tonel::actors {

namespace {

using namespace std::chrono_literals;

constexpr auto asking_period = 1s;

} // namespace

caf::behavior device_keeper(pinned<device_keeper_state>* self, const device_keeper_start* start,
                            const caf::actor& root) {
  self->state.start(start, root);
  return behavior_of<device_keeper_actor, own<fd_event, timer_event, device_checked>>(
      [self](const fd_event&) { self->state.on_ready(); },
      [self](timer_event) { self->state.on_timer(); },
      [self](const peers_changed& peers) { self->state.set_queues(peers); },
      [](const part_status&) {}, [self](const device_checked& c) { self->state.checked(c.found); });
}

void device_keeper_state::start(const device_keeper_start* s, const caf::actor& root_supervisor) {
  given = s;
  root = root_supervisor;
  if (s->fd >= 0) self->watch(s->fd);
  look(); // what happened before there was anybody to look
}

void device_keeper_state::on_ready() {
  if (!given->concerns(given->take())) return;
  const auto now = self->now();
  look_at(now + pace.wait(now));
  if (pace.gives_way(now) && failing.empty())
    tell("failing",
         "another program changes it again and again; it is mended ever more seldom, down "
         "to once in 30 s");
}

void device_keeper_state::on_timer() {
  if (timers.take(timer::look, self->now())) look();
  self->arm(timers.next());
}

void device_keeper_state::set_queues(const peers_changed& peers) {
  queues.clear();
  for (const auto& queue : peers.queues)
    queues.push_back(as<tun_queue_actor>(queue));
  if (renewed) renew(); // one of them may have been started just before the device was made
}

void device_keeper_state::renew() {
  for (const auto& queue : queues)
    self->send(queue, device_renewed{});
}

void device_keeper_state::look() {
  again = looking;
  if (std::exchange(looking, true)) return;
  asked_at = self->now();
  given->ensure([me = caf::actor_cast<caf::actor>(self)](sys::result<sys::device_report> found) {
    caf::anon_send(me, device_checked{std::move(found)});
  });
}

void device_keeper_state::look_at(protocol::time_point at) {
  timers.set_earlier(timer::look, at);
  self->arm(timers.next());
}

void device_keeper_state::checked(const sys::result<sys::device_report>& found) {
  looking = false;
  pace.looked(self->now() - asked_at);
  if (found)
    good(*found);
  else
    bad(found.error().to_string());
  if (again) look();
}

void device_keeper_state::good(const sys::device_report& report) {
  renewed = renewed || report.made_again;
  if (report.made_again) renew();
  if (!report.repaired.empty()) {
    log_warn("another program had changed the device ", given->device, " (",
             joined(report.repaired), "); it is as before");
    if (pace.mended(self->now()))
      log_error("another program changes the device ", given->device,
                " again and again; it is mended ever more seldom, down to once in 30 s");
  } else if (!failing.empty()) {
    log_info("the device ", given->device, " is as it should be again");
  }
  failing.clear();
  tell("ok", given->device);
  retry.reset();
  if (given->fd < 0)
    look_at(self->now() + std::max<protocol::duration>(asking_period, pace.wait(self->now())));
}

void device_keeper_state::bad(const std::string& reason) {
  if (std::exchange(failing, reason) != reason)
    log_error("cannot keep the device: ", reason, "; it is tried again");
  tell("failing", reason);
  look_at(self->now() + retry.next());
}

void device_keeper_state::tell(const char* state, const std::string& detail) {
  self->send(as<root_supervisor_actor>(root), part_status{"device", state, detail});
}

} // namespace tonel::actors
