#include "actors/supervision/supervisor.hpp"

#include <algorithm>
#include <utility>

namespace tonel::actors {

supervisor::child_id supervisor::add(child what) {
  const auto at = std::find_if(children_.begin(), children_.end(),
                               [&](const entry& e) { return e.what.stage > what.stage; });
  children_.insert(at, entry{++last_id_, std::move(what)});
  return last_id_;
}

void supervisor::begin(entry& e, protocol::time_point now) {
  e.is = state::running;
  e.since = now;
  e.restart_at.reset();
  e.number = e.what.start(std::exchange(e.begun_before, true));
}

void supervisor::begin_all(protocol::time_point now) {
  for (auto& e : children_)
    if (e.is == state::idle && !e.restart_at) begin(e, now);
}

void supervisor::start(protocol::time_point now) {
  if (at_work()) begin_all(now);
}

supervisor::outcome supervisor::on_down(std::uint64_t number, protocol::time_point now) {
  const auto found = std::find_if(children_.begin(), children_.end(), [&](const entry& e) {
    return e.number == number && e.is != state::idle && !e.what.gone;
  });
  if (found == children_.end()) return {};
  const auto was = std::exchange(found->is, state::idle);
  found->number = 0;
  found->kill_at.reset();
  outcome out{outcome::kind::expected, found->id};
  if (found->retired) {
    forget(out.who);
    advance(now);
    return out;
  }
  auto* plan = found->what.plan.get();
  if (was == state::ending || !at_work() || plan == nullptr) {
    advance(now);
    return out;
  }
  if (plan->budget && !plan->budget->take(now)) {
    out.is = outcome::kind::given_up;
    return out;
  }
  out.is = outcome::kind::restarts;
  if (plan->steady_after && now - found->since > *plan->steady_after) plan->wait.reset();
  out.wait = plan->wait.next();
  found->restart_at = now + out.wait;
  return out;
}

void supervisor::end(entry& e, ending how, protocol::time_point now) {
  e.is = state::ending;
  e.kill_at.reset();
  if (how == ending::asked && e.what.stop_after) e.kill_at = now + *e.what.stop_after;
  e.what.stop(how);
}

void supervisor::advance(protocol::time_point now) {
  if (!stopping_) return;
  std::optional<std::size_t> busy; // the last stage with a child left
  for (auto e = children_.rbegin(); e != children_.rend(); ++e) {
    if (busy && e->what.stage != *busy) break;
    if (e->is == state::running) end(*e, ending::asked, now);
    if (e->is == state::ending && e->what.gone && e->what.gone()) {
      e->is = state::idle;
      e->kill_at.reset();
    }
    if (e->is != state::idle) busy = e->what.stage;
  }
}

void supervisor::on_timer(protocol::time_point now) {
  for (auto& e : children_) {
    if (at_work() && e.restart_at && *e.restart_at <= now) begin(e, now);
    if (e.kill_at && *e.kill_at <= now) end(e, ending::killed, now);
  }
  advance(now);
}

std::optional<protocol::time_point> supervisor::next_deadline() const {
  std::optional<protocol::time_point> at;
  const auto sooner = [&](const std::optional<protocol::time_point>& other) {
    if (other && (!at || *other < *at)) at = other;
  };
  for (const auto& e : children_) {
    if (at_work()) sooner(e.restart_at);
    sooner(e.kill_at);
  }
  return at;
}

void supervisor::retire(child_id who, protocol::time_point now) {
  const auto e = std::find_if(children_.begin(), children_.end(),
                              [&](const entry& each) { return each.id == who; });
  e->retired = true;
  if (e->is == state::idle) return forget(who);
  if (e->is == state::running) end(*e, ending::asked, now);
}

void supervisor::stop(protocol::time_point now) {
  if (std::exchange(stopping_, true)) return;
  for (auto& e : children_)
    e.restart_at.reset();
  advance(now);
}

void supervisor::abandon(ending how) {
  for (auto e = children_.rbegin(); e != children_.rend(); ++e) {
    if (e->is == state::idle) continue;
    e->is = state::ending;
    e->what.stop(how);
  }
}

bool supervisor::ended() const noexcept {
  return stopping_ && std::all_of(children_.begin(), children_.end(),
                                  [](const entry& e) { return e.is == state::idle; });
}

void supervisor::forget(child_id who) {
  children_.erase(std::find_if(children_.begin(), children_.end(),
                               [&](const entry& e) { return e.id == who; }));
}

const child& supervisor::description(child_id who) const {
  return std::find_if(children_.begin(), children_.end(),
                      [&](const entry& e) { return e.id == who; })
      ->what;
}

} // namespace tonel::actors
