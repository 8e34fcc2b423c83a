#include "actors/root_supervisor.hpp"

#include "actors/log.hpp"
#include "actors/shard_supervisor.hpp"
#include "actors/watchdog.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

namespace tonel::actors {

namespace {

// For the rules of new tunnels; a first packet that is not translated spoils its connection.
constexpr auto rules_time = std::chrono::seconds{2};
// For the files of a reload; it goes on after that, and the status says so.
constexpr auto reload_patience = std::chrono::seconds{5};
// A FIN is repeated 1, 2 and 4 s after the one before, as long as it is not answered.
constexpr auto farewell_time = std::chrono::seconds{8};

constexpr const char* reload_part = "configuration";

std::string with_problem(std::string line, const std::string& rules) {
  return rules.empty() ? line : std::move(line) + "; firewall rules: " + rules;
}

/// What the state of a tunnel's remote is called in status.
std::string remote_part(const tunnel_config& tunnel) {
  return tunnel.name.empty() ? "remote" : "remote " + tunnel.name;
}

} // namespace

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
      [self](const reload_result& found) { self->state.reloaded(found); },
      [self](const rules_status& now) { self->state.rules_told(now); },
      [self](const resolve_failed& failure) { self->state.not_resolved(failure); },
      [self](const part_status& part) { self->state.note(part); },
      [self](const ask_reload& question) { self->state.reload(question); },
  };
}

void root_supervisor_state::start(const root_start& s) {
  given = s;
  outside = given.outside;
  children.resize(given.shards.size());
  for (std::size_t i = 0; i < children.size(); ++i)
    spawn(i);
  helpers.resize(given.services.size());
  for (std::size_t i = 0; i < helpers.size(); ++i)
    start_service(i);
  if (outside->signal_fd >= 0) self->watch(outside->signal_fd);
  start_watchdog();
  for (const auto& each : given.tunnels) {
    auto& added = tunnels.emplace_back();
    added.tunnel = each.settings;
    added.listeners = each.listeners;
    note({remote_part(*each.settings), "unresolved", "not tried yet"});
    resolve(added);
  }
  given.tunnels.clear(); // what a reload closes is not to live on there
  if (outside->firewall != nullptr) spawn_firewall();
}

void root_supervisor_state::spawn(std::size_t index) {
  auto& c = children[index];
  c.restart_at.reset();
  c.supervisor = given.shards[index]->loop.spawn(shard_supervisor, given.shards[index],
                                                 caf::actor_cast<caf::actor>(self));
  self->monitor(c.supervisor);
  if (!tunnels.empty()) send_tunnels(index); // it may have missed a reload, or an address
}

void root_supervisor_state::spawn_firewall() {
  rules_at.reset();
  rules_since = self->now();
  rules = self->spawn<caf::monitored>(firewall, outside->firewall);
  tell_firewall();
}

void root_supervisor_state::tell_firewall() {
  if (!rules) return;
  auto wanted = leaving;
  for (const auto& t : tunnels)
    add_rules(t, wanted);
  self->send(as<firewall_actor>(rules), std::move(wanted));
}

void root_supervisor_state::add_rules(const tunnel_state& t, ensure_rules& to) const {
  const auto& remote = t.tunnel->remote;
  if (outside->firewall->request.plan.server)
    to.ports.push_back(t.tunnel->local_port);
  else
    to.remotes.push_back(t.address.value_or(protocol::endpoint{
        protocol::ip_address::parse(remote.host).value_or(protocol::ip_address{}), remote.port}));
}

void root_supervisor_state::firewall_down() {
  rules = nullptr;
  if (stopping) return finish_if_done();
  rules_settled();
  if (self->now() - rules_since > std::chrono::minutes{1}) rules_wait.reset();
  rules_at = self->now() + rules_wait.next();
  arm();
}

void root_supervisor_state::start_watchdog() {
  if (outside->manager == nullptr ||
      outside->manager->watchdog_interval() <= protocol::duration::zero())
    return;
  watchdog_start watched;
  watched.manager = outside->manager;
  for (auto* s : given.shards)
    watched.loops.push_back(&s->loop);
  watched.until = caf::actor_cast<caf::actor>(self);
  watched.status = [line = given.status, problem = rules_problem](protocol::time_point now) {
    return with_problem(line ? line(now) : "running", *problem);
  };
  // Not supervised: without it the watchdog starves, and that is what it is for.
  self->loop().spawn(watchdog, watched);
}

void root_supervisor_state::on_child(const child_up& up) {
  children[up.shard].queue = up.queue;
  announce();
}

bool root_supervisor_state::know_each_other() const {
  return std::all_of(children.begin(), children.end(),
                     [](const child& c) { return c.supervisor && c.queue; });
}

peers_changed root_supervisor_state::peers() const {
  peers_changed out;
  for (const auto& c : children) {
    out.queues.push_back(c.queue);
    out.supervisors.push_back(c.supervisor);
  }
  return out;
}

void root_supervisor_state::announce() {
  if (!know_each_other()) return; // again when the last one is there
  const auto now = peers();
  for (const auto& c : children)
    self->send(as<shard_supervisor_actor>(c.supervisor), now);
  tell_services(now);
  if (!told_ready) tell_ready();
}

void root_supervisor_state::tell_ready() {
  if (outside->manager == nullptr || stopping) return;
  if (!told_ready) {
    if (!know_each_other() || (outside->firewall != nullptr && !rules_tried)) return;
    told_ready = true;
    tell_status();
  }
  outside->manager->ready();
}

void root_supervisor_state::tell_status() {
  if (outside->manager == nullptr || !told_ready) return;
  // The watchdog keeps it up to date; where there is none, nothing does.
  const bool watched = outside->manager->watchdog_interval() > protocol::duration::zero();
  if (given.status && !watched) outside->manager->status(with_problem("running", *rules_problem));
}

template <class Message> void root_supervisor_state::tell_services(const Message& message) {
  for (const auto& h : helpers)
    if (h.actor) self->send(as<status_actor>(h.actor), message);
}

void root_supervisor_state::start_service(std::size_t index) {
  auto& h = helpers[index];
  h.restart_at.reset();
  h.actor = given.services[index].start(caf::actor_cast<caf::actor>(self));
  self->monitor(h.actor);
  const auto to = as<status_actor>(h.actor);
  for (const auto& known : parts)
    self->send(to, known.second);
  if (know_each_other()) self->send(to, peers());
}

void root_supervisor_state::service_down(helper& h) {
  h.actor = nullptr;
  if (stopping) return;
  const auto wait = h.wait.next();
  log_warn("the ", given.services[static_cast<std::size_t>(&h - helpers.data())].name,
           " actor is started again in ",
           std::chrono::duration_cast<std::chrono::seconds>(wait).count(), " s; the tunnels go on");
  h.restart_at = self->now() + wait;
  arm();
}

void root_supervisor_state::note(const part_status& part) {
  remember(parts, part);
  tell_services(part);
}

void root_supervisor_state::reload(const ask_reload& question) {
  reload_questions.push_back(question);
  if (stopping) return answer_reload(false, "the process is about to end");
  if (!outside->reload) return answer_reload(false, "there is no config file to read again");
  reload();
}

void root_supervisor_state::answer_reload(bool done, const std::string& detail) {
  for (const auto& q : std::exchange(reload_questions, {}))
    self->send(as<status_actor>(q.answer_to), reload_done{q.question, done, detail});
}

void root_supervisor_state::on_down(const caf::down_msg& down) {
  if (rules && rules.id() == down.source.id()) return firewall_down();
  for (auto& h : helpers) {
    if (!h.actor || h.actor.id() != down.source.id()) continue;
    service_down(h);
    finish_if_done();
    return;
  }
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
  for (const auto signal : outside->take_signals()) {
    if (signal == SIGUSR1) {
      given.report();
    } else if (signal == SIGUSR2) {
      if (outside->reopen_log) outside->reopen_log();
    } else if (signal == SIGHUP) {
      reload();
    } else if (signal == SIGINT || signal == SIGTERM) {
      log_info("stopping");
      stop(0);
    }
  }
}

void root_supervisor_state::stop(int code) {
  if (std::exchange(stopping, true)) return;
  if (outside->manager != nullptr) outside->manager->stopping();
  if (outside->ending) outside->ending(code);
  rules_at.reset();
  for (auto& c : children) {
    c.restart_at.reset();
    if (c.supervisor) self->send(as<shard_supervisor_actor>(c.supervisor), stop_shard{});
  }
  for (auto& h : helpers) {
    h.restart_at.reset();
    if (h.actor) self->send_exit(h.actor, caf::exit_reason::user_shutdown);
  }
  finish_if_done();
}

void root_supervisor_state::probe() {
  for (const auto& c : children)
    if (c.supervisor) self->send(as<shard_supervisor_actor>(c.supervisor), probe_stream{});
}

void root_supervisor_state::finish_if_done() {
  const auto gone = [](const child& c) { return !c.supervisor; };
  const auto left = [](const helper& h) { return !h.actor; };
  if (!stopping || !std::all_of(children.begin(), children.end(), gone) ||
      !std::all_of(helpers.begin(), helpers.end(), left))
    return;
  // The last packets of the shards needed the rules.
  if (rules)
    self->send_exit(rules, caf::exit_reason::user_shutdown);
  else
    self->quit();
}

void root_supervisor_state::reload() {
  if (!outside->reload || stopping) return;
  // Of what changes while it is read, the last state is to count.
  reload_again = std::exchange(reloading, true);
  if (reload_again) return;
  if (outside->manager != nullptr) outside->manager->reloading();
  reload_since = self->now();
  reload_late_at = reload_since + reload_patience;
  arm();
  outside->reload(caf::actor_cast<caf::actor>(self));
}

void root_supervisor_state::reload_late() {
  reload_late_at.reset();
  log_warn("the files of the configuration cannot be read for 5 s already; it is waited for them");
  note({reload_part, "silent", {}, reload_since});
}

void root_supervisor_state::reloaded(const reload_result& found) {
  reloading = false;
  if (!std::exchange(reload_late_at, {})) note({reload_part, {}, {}});
  if (stopping) return answer_reload(false, "the process is about to end");
  if (std::exchange(reload_again, false)) return reload();
  std::vector<tunnel_state> next;
  if (!merge(found, next)) {
    log_error("the configuration stays as it was");
    std::string why = "the configuration stays as it was";
    for (const auto& problem : found.problems)
      why += "; " + problem;
    answer_reload(false, why);
    return tell_ready();
  }
  if (!found.need_restart.empty())
    log_warn("changed, but only a restart brings it into effect: ", found.need_restart);
  std::swap(tunnels, next); // next: those before
  const auto in = [](const auto& list, const tunnel_state& t) {
    return std::any_of(list.begin(), list.end(),
                       [&](const tunnel_state& each) { return each.tunnel == t.tunnel; });
  };
  std::size_t added = 0, removed = 0;
  for (const auto& old : next) {
    if (in(tunnels, old)) continue;
    ++removed;
    log_info(label(*old.tunnel), "ends");
    if (outside->firewall != nullptr) add_rules(old, leaving);
    note({remote_part(*old.tunnel), {}, {}});
  }
  for (auto& t : tunnels) {
    if (in(next, t)) continue;
    ++added;
    log_info(label(*t.tunnel), "starts");
    note({remote_part(*t.tunnel), "unresolved", "not tried yet"});
    resolve(t);
  }
  const auto summary = "tunnels that started: " + std::to_string(added) +
                       ", that ended: " + std::to_string(removed) +
                       ", that go on: " + std::to_string(tunnels.size() - added);
  log_info("configuration read again; ", summary);
  answer_reload(true, summary + (found.need_restart.empty()
                                     ? ""
                                     : "; changed, but only a restart brings it into effect: " +
                                           found.need_restart));
  if (added == 0 && removed == 0) return tell_ready();
  switch_at = self->now() + rules_time;
  leaving_until.reset(); // anew from the switch on
  if (rules) {
    tell_firewall();
    arm();
  } else {
    switch_tunnels();
  }
  if (!outside->tunnels_changed) return;
  std::vector<tunnel_ptr> all;
  for (const auto& t : tunnels)
    all.push_back(t.tunnel);
  outside->tunnels_changed(all);
}

bool root_supervisor_state::merge(const reload_result& found, std::vector<tunnel_state>& next) {
  for (const auto& problem : found.problems)
    log_error(problem);
  if (!found.problems.empty()) return false;
  std::vector<const tunnel_state*> gone;
  const auto wanted = [&](const tunnel_state& old) {
    return std::any_of(found.tunnels.begin(), found.tunnels.end(),
                       [&](const auto& t) { return same(*t, *old.tunnel); });
  };
  for (const auto& old : tunnels)
    if (!wanted(old)) gone.push_back(&old);
  for (const auto& tunnel : found.tunnels) {
    const auto kept = std::find_if(tunnels.begin(), tunnels.end(),
                                   [&](const auto& old) { return same(*tunnel, *old.tunnel); });
    if (kept != tunnels.end()) {
      next.push_back(*kept);
      continue;
    }
    auto& added = next.emplace_back();
    added.tunnel = tunnel;
    // One that takes another's place on an address takes its sockets: what waits in them is not lost,
    // and nobody else can come in between.
    const auto heir = std::find_if(gone.begin(), gone.end(), [&](const auto* old) {
      return !old->listeners.empty() && old->tunnel->local_udp == tunnel->local_udp;
    });
    if (heir != gone.end()) {
      added.listeners = (*heir)->listeners;
    } else if (outside->listen) {
      auto sockets = outside->listen(*tunnel);
      if (!sockets) {
        log_error(label(*tunnel), "cannot listen on ", tunnel->local_udp, ": ", sockets.error());
        return false;
      }
      added.listeners = std::move(*sockets);
    }
  }
  return true;
}

void root_supervisor_state::send_tunnels(std::size_t shard) {
  tunnels_changed now;
  for (const auto& t : tunnels)
    now.tunnels.push_back(
        {t.tunnel, t.listeners.empty() ? nullptr : t.listeners[shard], t.address});
  self->send(as<shard_supervisor_actor>(children[shard].supervisor), std::move(now));
}

void root_supervisor_state::switch_tunnels() {
  if (!switch_at) return;
  switch_at.reset();
  if (!leaving.ports.empty() || !leaving.remotes.empty())
    leaving_until = self->now() + farewell_time;
  for (std::size_t i = 0; i < children.size(); ++i)
    if (children[i].supervisor) send_tunnels(i);
  arm();
  tell_ready();
}

void root_supervisor_state::rules_told(const rules_status& now) {
  using condition = rules_status::condition;
  switch (now.is) {
  case condition::starting: note({"firewall", "starting", now.backend}); break;
  case condition::ok: note({"firewall", "ok", now.backend}); break;
  case condition::failing: note({"firewall", "failing", now.reason}); break;
  case condition::silent: note({"firewall", "silent", now.reason, now.since}); break;
  }
  if (stopping) return;
  *rules_problem = now.reason;
  tell_status();
  rules_settled();
}

void root_supervisor_state::rules_settled() {
  rules_tried = true;
  if (!told_ready) tell_ready();
  switch_tunnels();
}

void root_supervisor_state::resolve(tunnel_state& r) {
  r.resolve_at.reset();
  if (outside->resolve) outside->resolve(r.tunnel, caf::actor_cast<caf::actor>(self));
}

root_supervisor_state::tunnel_state* root_supervisor_state::find(const tunnel_ptr& tunnel) {
  for (auto& r : tunnels)
    if (r.tunnel == tunnel) return &r;
  return nullptr;
}

void root_supervisor_state::resolved(const remote_resolved& found) {
  auto* r = find(found.tunnel);
  if (r == nullptr) return;
  if (r->address != found.address) log_info(label(*found.tunnel), "the remote is ", found.address);
  r->address = found.address;
  note({remote_part(*found.tunnel), "resolved", found.address.to_string()});
  r->wait.reset();
  for (const auto& c : children)
    if (c.supervisor) self->send(as<shard_supervisor_actor>(c.supervisor), found);
  tell_firewall();
}

void root_supervisor_state::not_resolved(const resolve_failed& failure) {
  auto* r = find(failure.tunnel);
  if (r == nullptr) return;
  if (!std::exchange(r->told_unresolved, true))
    log_warn(label(*failure.tunnel), "the remote's name does not resolve now (", failure.reason,
             "); it is tried again");
  if (!r->address) note({remote_part(*failure.tunnel), "unresolved", failure.reason});
  r->resolve_at = self->now() + r->wait.next();
  arm();
}

void root_supervisor_state::on_timer() {
  const auto now = self->now();
  for (std::size_t i = 0; i < children.size(); ++i)
    if (children[i].restart_at && *children[i].restart_at <= now) spawn(i);
  for (auto& r : tunnels)
    if (r.resolve_at && *r.resolve_at <= now) resolve(r);
  if (leaving_until && *leaving_until <= now) {
    leaving_until.reset();
    leaving = {};
    tell_firewall();
  }
  if (reload_late_at && *reload_late_at <= now) reload_late();
  if (rules_at && *rules_at <= now) spawn_firewall();
  if (switch_at && *switch_at <= now) switch_tunnels();
  for (std::size_t i = 0; i < helpers.size(); ++i)
    if (helpers[i].restart_at && *helpers[i].restart_at <= now) start_service(i);
  arm();
}

void root_supervisor_state::arm() {
  std::optional<protocol::time_point> at;
  for (const auto& r : tunnels)
    if (r.resolve_at && (!at || *r.resolve_at < *at)) at = r.resolve_at;
  if (reload_late_at && (!at || *reload_late_at < *at)) at = reload_late_at;
  if (rules_at && (!at || *rules_at < *at)) at = rules_at;
  if (switch_at && (!at || *switch_at < *at)) at = switch_at;
  if (leaving_until && (!at || *leaving_until < *at)) at = leaving_until;
  for (const auto& c : children)
    if (c.restart_at && (!at || *c.restart_at < *at)) at = c.restart_at;
  for (const auto& h : helpers)
    if (h.restart_at && (!at || *h.restart_at < *at)) at = h.restart_at;
  self->arm(at);
}

} // namespace tonel::actors
