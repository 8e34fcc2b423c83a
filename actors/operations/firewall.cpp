#include "actors/operations/firewall.hpp"

#include "actors/operations/firewall_words.hpp"
#include "actors/runtime/behavior_of.hpp"
#include "actors/runtime/log.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace tonel::actors {

namespace {

using namespace std::chrono_literals;

// Rules of others may drop what ours accept, as Docker's do when it starts. That only concerns a
// line of the log, so it can wait.
constexpr auto others_settle_time = 5s;
// iptables may wait this long for other users of it.
constexpr auto patience = 10s;

} // namespace

caf::behavior firewall(pinned<firewall_state>* self, const firewall_start* start) {
  self->state.start(start);
  return behavior_of<firewall_actor, own<fd_event, timer_event, rules_checked>>(
      [self](const fd_event& event) { self->state.on_ready(event); },
      [self](timer_event) { self->state.on_timer(); },
      [self](const ensure_rules& wanted) {
        self->state.set_tunnels(wanted, caf::actor_cast<caf::actor>(self->current_sender()));
      },
      [self](const rules_checked& c) { self->state.checked(c.found); },
      [self](get_rules) { return self->state.status(); });
}

void firewall_state::start(const firewall_start* s) {
  given = s;
  request = s->request;
  if (s->rules_fd >= 0) rules_watch = self->watch(s->rules_fd);
  if (s->routes_fd >= 0) self->watch(s->routes_fd);
}

void firewall_state::on_ready(const fd_event& event) {
  bool ours = false, others = false;
  if (given->rules_fd >= 0 && event.watch == rules_watch) {
    const auto changes = given->take_rules();
    ours =
        changes.lost || std::any_of(changes.tables.begin(), changes.tables.end(), given->concerns);
    others = !changes.tables.empty();
  } else {
    // New addresses of remotes may need another interface.
    ours = given->take_routes().something;
  }
  if (ours)
    changed();
  else if (others)
    look_at(self->now() + others_settle_time);
}

/// Something has changed what is ours, or may have.
void firewall_state::changed() {
  const auto now = self->now();
  look_at(now + pace.wait(now));
  if (!pace.gives_way(now) || now_.is != rules_status::condition::ok) return;
  now_.is = rules_status::condition::failing;
  now_.reason =
      "another program changes the firewall rules or forwarding again and again; they are "
      "mended ever more seldom, down to once in 30 s";
  given_way = true;
  tell();
}

void firewall_state::on_timer() {
  const auto now = self->now();
  if (timers.take(timer::silent, now)) silent();
  if (timers.take(timer::look, now)) look();
  arm();
}

void firewall_state::silent() {
  in_place = false;
  now_.is = rules_status::condition::silent;
  now_.backend.clear();
  now_.reason = "the system has not answered for 10 s";
  now_.since = asked_at;
  log_warn(given->direct ? "the direct path: " : "the firewall rules: ", now_.reason,
           "; the tunnels go on");
  tell();
}

void firewall_state::set_tunnels(const ensure_rules& wanted, const caf::actor& from) {
  asker = from;
  owed = true;
  auto& plan = request.plan;
  if (std::exchange(told_tunnels, true) && plan.remotes == wanted.remotes &&
      plan.ports == wanted.ports && plan.allow == wanted.allow) {
    if (!looking) tell();
    return;
  }
  plan.remotes = wanted.remotes;
  plan.ports = wanted.ports;
  plan.allow = wanted.allow;
  look();
}

void firewall_state::tell() {
  const bool news = now_.is != told.is || now_.reason != told.reason || now_.ways != told.ways;
  if (!asker || !(news || owed)) return;
  owed = false;
  told = now_;
  self->send(asker, now_);
}

void firewall_state::look() {
  if (!told_tunnels) return;
  again = looking;
  if (std::exchange(looking, true)) return;
  asked_at = self->now();
  timers.set(timer::silent, asked_at + patience);
  arm();
  given->ensure(request,
                [me = caf::actor_cast<caf::actor>(self)](sys::result<sys::rules_report> found) {
                  caf::anon_send(me, rules_checked{std::move(found)});
                });
}

void firewall_state::look_at(protocol::time_point when) {
  timers.set_earlier(timer::look, when);
  arm();
}

void firewall_state::arm() { self->arm(timers.next()); }

void firewall_state::checked(const sys::result<sys::rules_report>& found) {
  looking = false;
  pace.looked(self->now() - asked_at);
  timers.clear(timer::silent);
  if (found)
    good(*found);
  else
    bad(found.error().to_string());
  if (again)
    look();
  else
    tell();
}

void firewall_state::good(const sys::rules_report& report) {
  for (const auto& text : report.notes)
    log_warn(text);
  if (!report.reset.empty())
    log_warn("another program had switched forwarding off (", joined(report.reset),
             "); it is on again");
  if (report.repaired)
    log_warn(words_of_repair(report));
  else if (!in_place || report.where != now_where)
    log_info(words_of_place(report));
  now_where = report.where;
  if ((report.repaired || !report.reset.empty()) && pace.mended(self->now()))
    log_error("another program changes ", what_is_kept(report),
              " again and again; it is mended ever more seldom, down to once in 30 s");
  const bool was_in_place = std::exchange(in_place, true);
  if (!report.unmet.empty()) {
    if (now_.reason != report.unmet)
      log_error("nothing can pass: ", report.unmet, "; it is tried again");
    now_ = {rules_status::condition::failing, report.backend, report.unmet, {}, report.ways};
    return look_at(self->now() + retry.next());
  }
  // Until it is left in peace, one line says it all.
  const bool gave_way = std::exchange(given_way, false);
  if (now_.is == rules_status::condition::failing && was_in_place && !gave_way)
    log_info("packets can pass again");
  now_ = {rules_status::condition::ok, report.backend, {}, {}, report.ways};
  retry.reset();
  // Changes reported during this look need another one: the timer stays.
  if (report.ask_in > protocol::duration::zero())
    look_at(self->now() + std::max(report.ask_in, pace.wait(self->now())));
}

void firewall_state::bad(const std::string& reason) {
  if (now_.is != rules_status::condition::failing || now_.reason != reason)
    log_error("cannot keep the ", given->direct ? "direct path: " : "firewall rules: ", reason,
              "; it is tried again");
  in_place = false;
  now_.is = rules_status::condition::failing;
  now_.reason = reason;
  look_at(self->now() + retry.next());
}

} // namespace tonel::actors
