#include "actors/root_supervisor.hpp"

#include "actors/log.hpp"
#include "actors/shard_supervisor.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <csignal>
#include <utility>

namespace tonel::actors {

caf::behavior root_supervisor(pinned<root_supervisor_state>* self, const root_start& start) {
  self->on_fault([self] { self->state.stop(1); });
  self->state.start(start);
  self->set_down_handler([self](const caf::down_msg& down) { self->state.on_down(down); });
  return {
      [self](const fd_event&) { self->state.on_signals(); },
      [self](timer_event) { self->state.on_timer(); },
      [self](probe_stream) { self->state.probe(); },
      [self](const child_up& up) { self->state.on_child(up); },
      [self](const remote_resolved& r) { self->state.resolved(r); },
      [self](const resolve_failed& failure) { self->state.not_resolved(failure); },
  };
}

void root_supervisor_state::start(const root_start& s) {
  given = s;
  children.resize(given.shards.size());
  for (std::size_t i = 0; i < children.size(); ++i)
    spawn(i);
  if (given.signal_fd >= 0) self->watch(given.signal_fd);
  remotes.reserve(given.tunnels.size());
  for (const auto& tunnel : given.tunnels) {
    remotes.emplace_back();
    remotes.back().tunnel = tunnel;
    resolve(remotes.back());
  }
}

void root_supervisor_state::spawn(std::size_t index) {
  auto& c = children[index];
  c.restart_at.reset();
  c.supervisor = given.shards[index]->loop.spawn(shard_supervisor, given.shards[index],
                                                 caf::actor_cast<caf::actor>(self));
  self->monitor(c.supervisor);
  for (const auto& r : remotes)
    if (r.address)
      self->send(as<shard_supervisor_actor>(c.supervisor), remote_resolved{r.tunnel, *r.address});
}

void root_supervisor_state::on_child(const child_up& up) {
  children[up.shard].queue = up.queue;
  announce();
}

void root_supervisor_state::announce() {
  peers_changed peers;
  for (const auto& c : children) {
    if (!c.supervisor || !c.queue) return; // again when the last one is there
    peers.queues.push_back(c.queue);
    peers.supervisors.push_back(c.supervisor);
  }
  for (const auto& c : children)
    self->send(as<shard_supervisor_actor>(c.supervisor), peers);
}

void root_supervisor_state::on_down(const caf::down_msg& down) {
  const auto found = std::find_if(children.begin(), children.end(), [&](const child& c) {
    return c.supervisor && c.supervisor.id() == down.source.id();
  });
  if (found == children.end()) return;
  found->supervisor = nullptr;
  found->queue = nullptr;
  const auto index = static_cast<std::size_t>(found - children.begin());
  if (!stopping) {
    if (!found->restarts.take(self->now())) {
      log_error("shard ", index, " failed again within 30 s: the process ends");
      stop(1);
      return;
    }
    log_warn("shard ", index, " failed and is started again");
    found->restart_at = self->now() + found->wait.next();
    arm();
  }
  finish_if_done();
}

void root_supervisor_state::on_signals() {
  for (const auto signal : given.take_signals()) {
    if (signal == SIGUSR1) {
      given.report();
    } else if (signal == SIGINT || signal == SIGTERM) {
      log_info("stopping");
      stop(0);
    }
  }
}

void root_supervisor_state::stop(int code) {
  if (std::exchange(stopping, true)) return;
  *given.exit_code = code;
  for (auto& c : children) {
    c.restart_at.reset();
    if (c.supervisor) self->send(as<shard_supervisor_actor>(c.supervisor), stop_shard{});
  }
  finish_if_done();
}

void root_supervisor_state::probe() {
  for (const auto& c : children)
    if (c.supervisor) self->send(as<shard_supervisor_actor>(c.supervisor), probe_stream{});
}

void root_supervisor_state::finish_if_done() {
  const auto gone = [](const child& c) { return !c.supervisor; };
  if (stopping && std::all_of(children.begin(), children.end(), gone)) self->quit();
}

void root_supervisor_state::resolve(remote& r) {
  r.resolve_at.reset();
  if (given.resolve) given.resolve(r.tunnel, caf::actor_cast<caf::actor>(self));
}

root_supervisor_state::remote* root_supervisor_state::find(const tunnel_ptr& tunnel) {
  for (auto& r : remotes)
    if (r.tunnel == tunnel) return &r;
  return nullptr;
}

void root_supervisor_state::resolved(const remote_resolved& found) {
  auto* r = find(found.tunnel);
  if (r == nullptr) return;
  if (r->address != found.address) log_info(label(*found.tunnel), "the remote is ", found.address);
  r->address = found.address;
  r->wait.reset();
  for (const auto& c : children)
    if (c.supervisor) self->send(as<shard_supervisor_actor>(c.supervisor), found);
}

void root_supervisor_state::not_resolved(const resolve_failed& failure) {
  auto* r = find(failure.tunnel);
  if (r == nullptr) return;
  if (!std::exchange(r->told_unresolved, true))
    log_warn(label(*failure.tunnel), "the remote's name does not resolve now (", failure.reason,
             "); it is tried again");
  r->resolve_at = self->now() + r->wait.next();
  arm();
}

void root_supervisor_state::on_timer() {
  const auto now = self->now();
  for (std::size_t i = 0; i < children.size(); ++i)
    if (children[i].restart_at && *children[i].restart_at <= now) spawn(i);
  for (auto& r : remotes)
    if (r.resolve_at && *r.resolve_at <= now) resolve(r);
  arm();
}

void root_supervisor_state::arm() {
  std::optional<protocol::time_point> at;
  for (const auto& r : remotes)
    if (r.resolve_at && (!at || *r.resolve_at < *at)) at = r.resolve_at;
  for (const auto& c : children)
    if (c.restart_at && (!at || *c.restart_at < *at)) at = c.restart_at;
  self->arm(at);
}

} // namespace tonel::actors
