#include "actors/root/root_supervisor.hpp"

#include "actors/root/shard_supervisor.hpp"
#include "actors/root/watchdog.hpp"
#include "actors/runtime/behavior_of.hpp"
#include "actors/runtime/log.hpp"
#include "actors/supervision/exit_reason.hpp"
#include "protocol/deadlines.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace tonel::actors {

using namespace std::chrono_literals;

namespace {

// Shards after the firewall: their last packets need the rules, which therefore end last.
constexpr std::size_t first_stage = 0, second_stage = 1;

} // namespace

caf::behavior root_supervisor(pinned<root_supervisor_state>* self, const root_start& start) {
  self->on_fault([self] { self->state.fail(); });
  self->state.start(start);
  self->set_down_handler([self](const caf::down_msg& down) { self->state.on_down(down); });
  return behavior_of<root_supervisor_actor,
                     own<fd_event, timer_event, reload_result, rules_status, resolve_failed>>(
      [self](const fd_event&) { self->state.on_signals(); },
      [self](timer_event) { self->state.on_timer(); },
      [self](probe_stream) { self->state.probe(); },
      [self](const child_up& up) { self->state.on_child(up); },
      [self](const remote_resolved& r) { self->state.resolved(r); },
      [self](const remote_tried& what) { self->state.tried(what); },
      [self](const reload_result& found) { self->state.reloaded(found); },
      [self](const rules_status& now) { self->state.rules_told(now); },
      [self](const resolve_failed& failure) { self->state.not_resolved(failure); },
      [self](const part_status& part) { self->state.note(part); },
      [self](const ask_reload& question) { self->state.reload(question); });
}

void root_supervisor_state::start(const root_start& s) {
  given = s;
  outside = given.outside;
  tunnels = std::exchange(given.tunnels, {}); // a copy would keep removed tunnels alive
  open_rooms();
  for (const auto& each : tunnels)
    addresses->add(each.settings, self->now());

  if (outside->firewall != nullptr) firewall_id = children.add(firewall_child());
  shards.resize(given.shards.size());
  for (std::size_t i = 0; i < shards.size(); ++i)
    shards[i].id = children.add(shard_child(i));
  services.resize(given.services.size());
  for (std::size_t i = 0; i < services.size(); ++i)
    services[i].id = children.add(service_child(i));
  children.start(self->now());

  if (outside->signal_fd >= 0) self->watch(outside->signal_fd);
  start_watchdog();
}

void root_supervisor_state::open_rooms() {
  const auto tell = [this](const part_status& part) { note(part); };
  addresses = std::make_unique<remotes>(
      [this](const tunnel_ptr& tunnel) {
        if (outside->resolve) outside->resolve(tunnel, me());
      },
      tell);
  reloading::outside files;
  if (outside->reload) files.read = [this] { outside->reload(me()); };
  files.answer = [this](const ask_reload& question, bool done, const std::string& detail) {
    self->send(as<control_actor>(question.answer_to), reload_done{question.question, done, detail});
  };
  files.tell = tell;
  reader = std::make_unique<reloading>(std::move(files));
  ready = readiness{outside->manager, outside->firewall != nullptr, given.status};
}

// The children.

child root_supervisor_state::firewall_child() {
  child out;
  out.name = "firewall";
  out.stage = first_stage;
  out.start = [this](bool) {
    rules = self->spawn<caf::monitored>(firewall, outside->firewall);
    tell_firewall();
    return rules.id();
  };
  out.stop = [this](ending how) { self->send_exit(rules, reason_of(how)); };
  out.plan = std::make_shared<restart_plan>(
      restart_plan{std::nullopt, backoff{1s, 2s, 60s}, protocol::duration{1min}});
  return out;
}

child root_supervisor_state::shard_child(std::size_t index) {
  child out;
  out.name = "shard " + std::to_string(index);
  out.stage = second_stage;
  out.start = [this, index](bool again) {
    auto& seat = shards[index];
    seat.actor = given.shards[index]->loop.spawn(shard_supervisor, given.shards[index], me());
    self->monitor(seat.actor);
    if (again) send_tunnels(index); // it may have missed a reload or an address
    return seat.actor.id();
  };
  out.stop = [this, index](ending how) {
    const auto& actor = shards[index].actor;
    if (how == ending::asked)
      self->send(as<shard_supervisor_actor>(actor), stop_shard{});
    else
      self->send_exit(actor, reason_of(how));
  };
  out.plan =
      std::make_shared<restart_plan>(restart_plan{restart_budget{1, 30s}, {100ms, 100ms, 10s}});
  return out;
}

child root_supervisor_state::service_child(std::size_t index) {
  child out;
  out.name = given.services[index].name;
  out.stage = second_stage;
  out.start = [this, index](bool) {
    auto& actor = services[index].actor;
    actor = given.services[index].start(me());
    self->monitor(actor);
    const auto to = as<status_actor>(actor);
    for (const auto& known : parts)
      self->send(to, known.second);
    if (know_each_other()) self->send(to, peers());
    return actor.id();
  };
  out.stop = [this, index](ending how) { self->send_exit(services[index].actor, reason_of(how)); };
  out.plan = std::make_shared<restart_plan>(restart_plan{std::nullopt, backoff{1s, 1s, 60s}});
  return out;
}

void root_supervisor_state::on_down(const caf::down_msg& down) {
  const auto end = children.on_down(down.source.id(), self->now());
  if (end.is == supervisor::outcome::kind::stranger) return;
  if (end.who == firewall_id) firewall_down();
  for (auto& seat : shards)
    if (seat.id == end.who) shard_down(seat, end);
  for (auto& seat : services)
    if (seat.id == end.who) service_down(seat, end);
  if (children.ended()) self->quit();
  arm();
}

void root_supervisor_state::firewall_down() {
  rules = nullptr;
  if (!stopping) rules_tried();
}

void root_supervisor_state::shard_down(shard_seat& seat, const supervisor::outcome& end) {
  seat.actor = nullptr;
  seat.queue = nullptr;
  ready.shards_are_up(false);
  const auto& who = children.description(end.who).name;
  if (end.is == supervisor::outcome::kind::restarts) {
    log_warn(who, " failed and is started again");
  } else if (end.is == supervisor::outcome::kind::given_up) {
    log_error(who, " failed again within 30 s: the process ends");
    stop(1);
  }
}

void root_supervisor_state::service_down(service_seat& seat, const supervisor::outcome& end) {
  seat.actor = nullptr;
  if (end.is != supervisor::outcome::kind::restarts) return;
  log_warn("the ", children.description(end.who).name, " actor is started again in ",
           std::chrono::duration_cast<std::chrono::seconds>(end.wait).count(),
           " s; the tunnels go on");
}

void root_supervisor_state::start_watchdog() {
  watchdog_start watched;
  watched.manager = ready.watching();
  if (watched.manager == nullptr) return;
  for (auto* s : given.shards)
    watched.loops.push_back(&s->loop);
  watched.until = me();
  watched.status = ready.told_status();
  // Not supervised: if it fails, the service manager's watchdog starves, as it should.
  self->loop().spawn(watchdog, watched);
}

void root_supervisor_state::stop(int code) {
  if (stopping) return;
  announce_stop(code);
  children.stop(self->now());
  if (children.ended()) self->quit();
  arm();
}

void root_supervisor_state::fail() {
  if (!stopping) announce_stop(1);
  children.abandon(ending::asked);
}

void root_supervisor_state::announce_stop(int code) {
  stopping = true;
  ready.stopping();
  if (outside->ending) outside->ending(code);
}

// Handles and settings for the children.

void root_supervisor_state::on_child(const child_up& up) {
  shards[up.shard].queue = up.queue;
  if (!know_each_other()) return; // called again when the last queue is up
  const auto now = peers();
  tell_shards(now);
  tell_services(now);
  ready.shards_are_up(true);
}

bool root_supervisor_state::know_each_other() const {
  return std::all_of(shards.begin(), shards.end(),
                     [](const shard_seat& s) { return s.actor && s.queue; });
}

peers_changed root_supervisor_state::peers() const {
  peers_changed out;
  for (const auto& seat : shards) {
    out.queues.push_back(seat.queue);
    out.supervisors.push_back(seat.actor);
  }
  return out;
}

template <class Message> void root_supervisor_state::tell_shards(const Message& message) {
  for (const auto& seat : shards)
    if (seat.actor) self->send(as<shard_supervisor_actor>(seat.actor), message);
}

template <class Message> void root_supervisor_state::tell_services(const Message& message) {
  for (const auto& seat : services)
    if (seat.actor) self->send(as<status_actor>(seat.actor), message);
}

void root_supervisor_state::note(const part_status& part) {
  remember(parts, part);
  tell_services(part);
}

void root_supervisor_state::probe() { tell_shards(probe_stream{}); }

// Tunnels and their remotes.

void root_supervisor_state::resolved(const remote_resolved& found) {
  using outcome = remotes::change;
  const bool first = addresses->in_use(found.tunnel).empty();
  const auto what = addresses->resolved(found, self->now());
  if (auto* health = health_of(found.tunnel)) health->resolved(self->now());
  // Before the first answer the rules take the port for the address (the direct path's know nothing); a
  // server's know no upstream.
  const bool has_rules = rules && !outside->firewall->request.plan.server;
  if (what == outcome::addresses && has_rules && (!first || outside->direct != nullptr))
    addresses->keep_back(found.tunnel, self->now());
  else if (what != outcome::none)
    tell_addresses({found.tunnel});
  if (what == outcome::addresses) tell_firewall();
  arm();
}

void root_supervisor_state::tried(const remote_tried& what) {
  if (addresses->tried(what, self->now()) != remotes::change::none) tell_addresses({what.tunnel});
  arm();
}

void root_supervisor_state::tell_addresses(const std::vector<tunnel_ptr>& of) {
  for (const auto& tunnel : of)
    if (auto now = addresses->addresses(tunnel); !now.empty())
      tell_shards(remote_resolved{tunnel, std::move(now)});
}

void root_supervisor_state::not_resolved(const resolve_failed& failure) {
  addresses->failed(failure, self->now());
  if (auto* health = health_of(failure.tunnel)) health->unresolved(self->now());
  arm();
}

tunnel_health* root_supervisor_state::health_of(const tunnel_ptr& tunnel) const {
  const auto found = std::find_if(tunnels.begin(), tunnels.end(),
                                  [&](const process_tunnel& t) { return t.settings == tunnel; });
  return found == tunnels.end() ? nullptr : found->health.get();
}

void root_supervisor_state::reload() {
  if (stopping) return;
  addresses->ask_all(self->now());
  if (reader->possible() && reader->ask(self->now())) ready.reload_begins();
  arm();
}

void root_supervisor_state::reload(const ask_reload& question) {
  reader->note(question);
  if (stopping) return reader->answer(false, "the process is about to end");
  if (!reader->possible()) return reader->answer(false, "there is no config file to read again");
  reload();
}

void root_supervisor_state::reloaded(const reload_result& found) {
  const bool counts = reader->arrived();
  if (stopping) return reader->answer(false, "the process is about to end");
  if (!counts) return reload();
  take_over(found);
  arm();
}

void root_supervisor_state::take_over(const reload_result& found) {
  expected<merged_tunnels, std::vector<std::string>> merged = unexpected{found.problems};
  if (found.problems.empty()) merged = merge(tunnels, found.tunnels, outside->listen);
  if (!merged) {
    std::string why = "the configuration stays as it was";
    for (const auto& problem : merged.error()) {
      log_error(problem);
      why += "; " + problem;
    }
    log_error("the configuration stays as it was");
    reader->answer(false, why);
    return ready.reload_ends();
  }
  const auto waits =
      found.need_restart.empty()
          ? std::string{}
          : "changed, but only a restart brings it into effect: " + found.need_restart;
  if (!waits.empty()) log_warn(waits);
  tunnels = std::move(merged->now);
  for (const auto& tunnel : merged->ended) {
    log_info(label(*tunnel), "ends");
    if (outside->firewall != nullptr) add_rules(tunnel, change.leaving());
    addresses->remove(tunnel);
  }
  for (const auto& tunnel : merged->started) {
    log_info(label(*tunnel), "starts");
    addresses->add(tunnel, self->now());
  }
  auto summary = "tunnels that started: " + std::to_string(merged->started.size()) +
                 ", that ended: " + std::to_string(merged->ended.size()) +
                 ", that go on: " + std::to_string(tunnels.size() - merged->started.size());
  for (const auto& [before, after] : merged->changed) {
    const auto options = changed_options(*before, *after);
    if (!options.empty()) summary += "; " + label(*after) + "changed: " + options;
  }
  log_info("configuration read again; ", summary);
  reader->answer(true, waits.empty() ? summary : summary + "; " + waits);
  if (merged->started.empty() && merged->ended.empty()) return ready.reload_ends();
  change.begin(self->now());
  if (rules)
    tell_firewall();
  else if (change.rules_tried(self->now()))
    switch_tunnels();
  if (!outside->tunnels_changed) return;
  std::vector<tunnel_ptr> all;
  for (const auto& t : tunnels)
    all.push_back(t.settings);
  outside->tunnels_changed(all);
}

void root_supervisor_state::send_tunnels(std::size_t shard) {
  tunnels_changed now;
  for (const auto& t : tunnels)
    now.tunnels.push_back({t.settings, t.listeners.empty() ? nullptr : t.listeners[shard],
                           addresses->addresses(t.settings), t.health});
  self->send(as<shard_supervisor_actor>(shards[shard].actor), std::move(now));
}

void root_supervisor_state::switch_tunnels() {
  for (std::size_t i = 0; i < shards.size(); ++i)
    if (shards[i].actor) send_tunnels(i);
  ready.reload_ends();
}

// Firewall rules.

void root_supervisor_state::tell_firewall() {
  if (!rules) return;
  auto wanted = change.leaving();
  for (const auto& t : tunnels)
    add_rules(t.settings, wanted);
  self->send(as<firewall_actor>(rules), std::move(wanted));
}

void root_supervisor_state::add_rules(const tunnel_ptr& tunnel, ensure_rules& to) const {
  const auto& remote = tunnel->remote;
  if (outside->firewall->request.plan.server) {
    to.ports.push_back(tunnel->local_port);
    // A tunnel that leaves may have had the port before this one.
    to.allow.erase(tunnel->local_port);
    if (!tunnel->allow.empty()) to.allow[tunnel->local_port] = tunnel->allow;
    return;
  }
  const auto known = addresses->in_use(tunnel);
  to.remotes.insert(to.remotes.end(), known.begin(), known.end());
  if (known.empty())
    to.remotes.push_back(
        {protocol::ip_address::parse(remote.host).value_or(protocol::ip_address{}), remote.port});
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
  const auto& direct = given.shards.front()->process.direct;
  if (direct && !now.ways.empty() && direct->learn(now.ways)) tell_shards(ways_changed{});
  ready.rules_problem(now.reason);
  rules_tried();
}

void root_supervisor_state::rules_tried() {
  ready.rules_tried();
  tell_addresses(addresses->let_go());
  if (change.rules_tried(self->now())) switch_tunnels();
  arm();
}

// Signals and time.

void root_supervisor_state::on_signals() {
  signal_orders orders;
  orders.report = given.report;
  orders.reopen_log = outside->reopen_log;
  orders.reload = [this] { reload(); };
  orders.stop = [this] {
    log_info("stopping");
    stop(0);
  };
  obey(outside->take_signals(), orders);
}

void root_supervisor_state::on_timer() {
  const auto now = self->now();
  children.on_timer(now);
  tell_addresses(addresses->on_timer(now));
  reader->on_timer(now);
  const auto due = change.on_timer(now);
  if (due.rules) tell_firewall();
  if (due.tunnels) switch_tunnels();
  arm();
}

void root_supervisor_state::arm() {
  protocol::deadlines<timer> at;
  at.set(timer::children, children.next_deadline());
  at.set(timer::remotes, addresses->next_deadline());
  at.set(timer::reload, reader->next_deadline());
  at.set(timer::rules, change.next_deadline());
  self->arm(at.next());
}

} // namespace tonel::actors
