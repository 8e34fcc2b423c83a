#include "actors/client_session.hpp"

#include "actors/log.hpp"
#include "actors/stream.hpp"
#include "protocol/isn.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace tonel::actors {

using namespace std::chrono_literals;

namespace {

// Opening a stream, all ports and tries together, is given up after this.
constexpr auto give_up_time = 30s;
// One of several that could not be opened is tried again after this; the others carry the session.
constexpr auto lost_one_wait = 60s;
// Octets of what has waited that go before the server's first word, which is a round trip away: until
// then trackers hold a sender to a window that is not scaled, and the stream to 60,000.
constexpr std::size_t before_greeting = std::size_t{48} << 10;
// One FIN of the server's is followed by those of the session's other streams, if it closes that.
constexpr auto fins_wait = 1s;

/// How long before its deadline a stream's replacement is opened: for the handshake and for the 3 s
/// in which the old one is still read.
std::chrono::nanoseconds renewal_lead(std::chrono::seconds deadline) {
  return std::min<std::chrono::nanoseconds>(5s, deadline / 2);
}

} // namespace

caf::behavior client_session(pinned<client_session_state>* self,
                             const client_session_start& start) {
  self->state.start(start);
  self->set_down_handler([self](const caf::down_msg& down) { self->state.on_down(down); });
  static const auto state = []() -> client_session_state& {
    return state_of_handler<client_session_state>();
  };
  static const caf::behavior of_all{
      [](const stream_event& event) { state().on_event(event); },
      [](timer_event) { state().on_timer(); },
      [](stream_wanted) { state().want(); },
      [](const remote_resolved& r) { state().resolved(r.address); },
      [](probe_stream) { state().probe(); },
      [](const ask_status& question) { state().tell_status(question); },
      [](const close_session& how) { state().close(how.at_exit || how.displaced); },
  };
  return of_all;
}

void client_session_state::start(const client_session_start& s) {
  given = s;
  born = self->now();
  draw_claims();
  use = s.use;
  use->last = born;
  given.where->stats.add(counter::sessions_opened);
  slots.resize(given.tunnel->streams);
  if (slots.size() > 1) fellows = std::make_shared<protocol::fellows>();
  if (given.remote)
    for (auto& each : slots)
      open(each);
  else
    streamless_since = self->now();
  arm();
}

void client_session_state::draw_claims() {
  protocol::session_id id;
  protocol::session_secret secret;
  given.where->process.random(id);
  given.where->process.random(secret);
  claims.emplace(id, secret);
}

client_session_state::slot* client_session_state::slot_of(std::uint64_t stream) {
  for (auto& s : slots)
    if (s.current.id == stream || s.next.id == stream || is_rival(s, stream)) return &s;
  return nullptr;
}

client_session_state::member client_session_state::connect(const slot& s, unsigned port) {
  const auto& context = given.where->process;
  const auto& tun = context.settings.tun;
  stream_start start;
  start.queue = given.queue;
  start.sink = given.listener;
  auto& kept = start.context;
  kept.where = given.where;
  kept.tunnel = given.tunnel;
  kept.side = role::client;
  kept.path = given.path;
  kept.session = caf::actor_cast<caf::actor>(self);
  kept.used = use;
  if (s.attempts) kept.race = s.attempts->winner;
  kept.port = given.where->take_port();
  if (!kept.port) return {};
  if (const auto deadline = given.tunnel->deadline; deadline.count() != 0) {
    kept.ends_at = self->now() + deadline;
    kept.ages_at = *kept.ends_at - renewal_lead(deadline);
  }
  protocol::stream_config machine;
  machine.tuple.local = {given.remote->address.is_v4() ? tun.peer4 : tun.peer6, *kept.port};
  machine.tuple.remote = *given.remote;
  machine.iss = protocol::client_isn(context.cookie_secret, machine.tuple, self->now());
  machine.ip_id = given.where->random<std::uint16_t>();
  machine.mtu = tun.mtu;
  machine.session = claims->next();
  machine.challenge_limit = &given.where->challenges;
  machine.seed = given.where->random<std::uint64_t>();
  machine.stream_index = static_cast<std::uint8_t>(&s - slots.data());
  machine.stream_count = static_cast<std::uint8_t>(slots.size());
  machine.last_port = port >= ports_to_try(wire);
  machine.first_port = port == 1;
  machine.wire = wire;
  if (wire == protocol::profile::native) machine.fellows = fellows;
  // Always: what a native stream says to an older server would be a datagram to that.
  machine.detect_legacy = true;
  machine.join_token = token;
  machine.keepalive = context.settings.keepalive;
  machine.idle_timeout = given.tunnel->idle_timeout;
  machine.handshake_packet = given.tunnel->handshake_packet;
  start.machine = protocol::stream::connect(machine);
  const auto spawned = self->spawn<caf::monitored>(stream, std::move(start));
  const auto handle = as<stream_actor>(spawned);
  alive.emplace(spawned.id(), handle);
  return {handle,
          spawned.id(),
          *given.remote,
          wire,
          port,
          generation,
          token != 0,
          false,
          machine.tuple,
          self->now(),
          machine.session.counter,
          machine.session.introduces};
}

void client_session_state::open(slot& s, unsigned port) {
  if (closing) return;
  s.retry_at.reset();
  drop_rivals(s);
  if (pioneer == 0 && !has_stream()) choose_wire();
  if (must_wait()) {
    s.wanted = true;
    s.trying_since.reset();
    return;
  }
  s.wanted = false;
  if (!s.trying_since) s.trying_since = self->now();
  const bool first = decides_for_all();
  if (first) ++generation;
  // The older servers remember every SYN: there one port is tried at a time.
  if (wire == protocol::profile::native) s.attempts = std::make_unique<race>();
  s.next = connect(s, port);
  if (first) pioneer = s.next.id;
  if (s.next) return start_race(s);
  s.attempts.reset();
  given.where->stats.add(counter::session_refused);
  obstacle = "no TCP port is free";
  retry(s);
}

void client_session_state::on_event(const stream_event& event) {
  using kind = stream_event::kind;
  auto* s = slot_of(event.stream);
  // A refusal is the remote's word, too, unless it speaks otherwise to the other streams.
  const bool refused =
      event.what == kind::ended && event.why == protocol::end_reason::refused && !remote_answers();
  if (s != nullptr && (event.what == kind::opened || event.what == kind::legacy || refused))
    settle(*s, event.stream);
  if (event.what == kind::ended || event.what == kind::legacy || event.what == kind::try_new_port)
    stream_over(event.stream);
  if (s == nullptr) return; // of a stream that was replaced
  if ((event.what == kind::ended || event.what == kind::try_new_port) &&
      rival_over(*s, event.stream))
    return;
  switch (event.what) {
  case kind::opened: opened(*s, event); break;
  case kind::greeted: greeted(*s, event); break;
  case kind::silent:
    mark_silent(*s, event.stream, true);
    // The path may be lost: prepare another before this one is given up.
    if (s->current.id == event.stream && !s->next && !closing) open(*s);
    break;
  case kind::worn:
    // A group of its own would get nothing until the application speaks, which mends this one, too.
    if (s->current.id == event.stream && !s->next && !closing && can_join()) open(*s);
    break;
  case kind::recovered: mark_silent(*s, event.stream, false); break;
  case kind::idle:
    s->idle = true;
    if (is_idle()) end_in_turn();
    break;
  case kind::active:
    s->idle = false;
    close_at.reset();
    break;
  case kind::aging: aging(*s, event.stream); break;
  case kind::try_new_port: try_new_port(*s, event.stream); break;
  case kind::ended: ended(*s, event); break;
  case kind::legacy: found_legacy(*s, event); break;
  case kind::sink_wanted: break; // a server's
  case kind::unscaled:
    if (given.where->process.dialects->remark_window(*given.remote))
      log_warn("something on the path to ", *given.remote,
               " takes TCP's window scale out of the handshake: a connection can have no more than "
               "60,000 octets under way, and drops what exceeds that; more connections "
               "(--tcp-connections) carry more");
    break;
  case kind::too_large:
    if (!std::exchange(told_too_large, true))
      log_warn("session of ", given.path.peer, ": a datagram of ", event.size,
               " octets does not fit and was dropped; the largest that does has ", event.limit);
    break;
  }
  arm();
  finish_if_done();
}

void client_session_state::mark_silent(slot& s, std::uint64_t stream, bool silent) {
  if (s.current.id != stream || s.silent == silent) return;
  s.silent = silent;
  announce();
}

void client_session_state::opened(slot& s, const stream_event& event) {
  // A replacement has to show first that its hello passes: the one before may still work.
  if (s.next.id != event.stream) return;
  s.next.opened = true;
  if (event.wire != protocol::profile::native) legacy_opened(s.next, event);
  if (!s.current) promote(s);
}

void client_session_state::greeted(slot& s, const stream_event& event) {
  s.trying_since.reset();
  s.wait.reset();
  auto& m = s.next.id == event.stream ? s.next : s.current;
  m.greeted = true;
  if (event.wire == protocol::profile::native) {
    claims->greeted(m.hello);
    given.where->process.dialects->saw_native(m.remote);
  }
  if (s.next.id == event.stream)
    promote(s);
  else
    announce();
  hurry(s);
  if (pioneer == event.stream) {
    pioneer = 0;
    follow(s);
  } else if (token != 0 && s.current.generation != generation && !s.next) {
    open(s); // it joined a group that was being left
  }
}

void client_session_state::promote(slot& s) {
  // It takes the place of the one before, which reads on for a while.
  if (s.current) self->send(s.current.stream, supersede_stream{});
  s.current = std::exchange(s.next, {});
  s.open = true;
  s.idle = false;
  s.silent = false;
  ever_open = true;
  streamless_since.reset();
  announce();
}

void client_session_state::try_new_port(slot& s, std::uint64_t stream) {
  const bool is_next = s.next.id == stream;
  const auto m = std::exchange(is_next ? s.next : s.current, {}); // it ends by itself
  if (is_next) {
    drop_rivals(s);
  } else {
    s.open = false;
    announce();
  }
  leave_group(m);
  obstacle = no_answer;
  if (m.port >= ports_to_try(m.wire)) return give_up(s);
  if (!m.joins) return open(s, m.port + 1);
  s.retry_port = m.port + 1; // without haste: it may be refused each time
  retry(s);
}

void client_session_state::ended(slot& s, const stream_event& event) {
  const bool was_next = s.next.id == event.stream;
  const auto m = std::exchange(was_next ? s.next : s.current, {});
  if (was_next) {
    drop_rivals(s);
  } else {
    s.open = false;
    announce();
  }
  if (closing) return;
  if (event.why == protocol::end_reason::path_ends_tcp) return on_proxied_path(s, m);
  if (event.why == protocol::end_reason::closed_by_peer) {
    // Of the session's last stream, it closes the session.
    if (std::none_of(slots.begin(), slots.end(),
                     [](const slot& each) { return bool{each.current}; })) {
      close(false);
      return;
    }
    if (!s.current && !s.next) {
      s.wanted = true;
      s.retry_at = self->now() + fins_wait;
    }
    return;
  }
  if (event.why == protocol::end_reason::reset) {
    claims->was_reset(m.hello, m.greeted);
    // Whoever saw the secret may have used up the id at the server.
    if (m.introduced && !m.greeted && !has_stream()) draw_claims();
    if (!m.introduced && claims->introduces()) s.wait.reset(); // that is what was missing
  }
  obstacle = event.why == protocol::end_reason::refused ? "refused" : no_answer;
  if (!s.current && s.next.opened) promote(s);
  if (s.current || s.next) { // the other one goes on
    leave_group(m);
    if (m.joins && !s.next) retry(s);
    return;
  }
  if (event.why == protocol::end_reason::refused || event.why == protocol::end_reason::timed_out)
    not_answered(s, m, event.why);
  else
    lost(s, event.recent);
}

void client_session_state::lost(slot& s, bool replace_now) {
  // One of several is always replaced: it is the session that is in use or not, and datagrams would
  // never ask for this one while others take them.
  if (replace_now || !ever_open || has_stream())
    retry(s);
  else if (!has_stream() && !streamless_since)
    streamless_since = self->now();
}

void client_session_state::retry(slot& s) {
  const auto now = self->now();
  if (!s.trying_since) s.trying_since = now;
  if (now - *s.trying_since >= give_up_time) {
    give_up(s);
    return;
  }
  s.wanted = true;
  s.retry_at = now + s.wait.next();
}

void client_session_state::aging(slot& s, std::uint64_t stream) {
  if (s.current.id != stream || closing) return;
  // New streams know nothing of the session's age: without this it would never be idle.
  const auto timeout = given.tunnel->idle_timeout;
  if (self->now() - use->last >= timeout)
    close(false);
  else if (!s.next && !s.wanted)
    open(s);
}

void client_session_state::give_up(slot& s) {
  s.wanted = false;
  s.retry_at.reset();
  s.trying_since.reset();
  s.wait.reset();
  if (s.current) return; // works still, or says that it is dead
  if (has_stream()) {
    s.wanted = true;
    s.retry_at = self->now() + lost_one_wait;
    return;
  }
  if (!ever_open) {
    // Nothing at the server remembers this session: the next datagram starts anew.
    log_warn("session of ", given.path.peer, ": no connection to ", *given.remote, ": ", obstacle);
    close(false);
    return;
  }
  // Once more announced as streamless, so that the next datagram asks again.
  announce();
  if (!streamless_since) streamless_since = self->now();
}

void client_session_state::on_down(const caf::down_msg& down) {
  const auto stream = down.source.id();
  if (alive.erase(stream) == 0) return;
  stream_over(stream);
  auto* s = slot_of(stream);
  if (s != nullptr && !rival_over(*s, stream)) { // it did not say that it ended: a fault of ours
    const bool was_next = s->next.id == stream;
    (was_next ? s->next : s->current) = {};
    if (was_next)
      drop_rivals(*s);
    else
      s->open = false;
    announce();
    if (!s->current && s->next.opened) promote(*s);
    if (!closing && !s->current && !s->next) {
      if (!faults.take(self->now())) {
        self->quit(make_error(ec::restart_limit));
        return;
      }
      obstacle = "its stream failed";
      retry(*s);
    }
  }
  arm();
  finish_if_done();
}

void client_session_state::want() {
  if (closing || !given.remote || rests_until) return;
  streamless_since.reset(); // set again if this try is given up
  for (auto& s : slots)
    if (!s.current && !s.next && !s.wanted) retry(s);
  arm();
}

void client_session_state::resolved(const protocol::endpoint& remote) {
  const bool first = !given.remote;
  const bool moved = !first && *given.remote != remote;
  given.remote = remote;
  if (moved) {
    guessing = false;
    choose_wire();
  }
  if (first && !closing) {
    streamless_since.reset();
    for (auto& s : slots)
      open(s);
  }
  arm();
}

void client_session_state::probe() {
  for (auto& s : slots)
    for (const auto* m : {&s.current, &s.next})
      if (*m) self->send(m->stream, probe_stream{});
}

void client_session_state::on_timer() {
  const auto now = self->now();
  for (auto& s : slots) {
    if (s.retry_at && *s.retry_at <= now) open(s, std::exchange(s.retry_port, 1));
    if (s.attempts && s.attempts->at && *s.attempts->at <= now) join_race(s);
  }
  const auto timeout = given.tunnel->idle_timeout;
  if (streamless_since && now - *streamless_since >= timeout) close(false);
  if (rests_until && now >= *rests_until) close(false);
  if (close_at && now >= *close_at) {
    close_at.reset();
    // A session that lost its stream meanwhile has another made, or waits in vain until it is
    // streamless for too long. A stream says by its next timer alone that it carries datagrams again.
    if (is_idle() && is_open()) {
      if (now - use->last < timeout)
        close_at = use->last + timeout;
      else
        close(false);
    }
  }
  arm();
  finish_if_done();
}

void client_session_state::close(bool at_exit) {
  if (!closing) {
    closing = true;
    // From now on a datagram of this application makes a new session.
    self->send(as<udp_listener_actor>(given.listener),
               session_changed{given.path, caf::actor{}, self->id()});
  }
  for (auto& s : slots) {
    s.wanted = false;
    s.retry_at.reset();
    drop_rivals(s);
    if (s.current) self->send(s.current.stream, close_stream{at_exit});
    if (s.next) self->send(s.next.stream, reset_stream{});
  }
  if (at_exit) // those too that drain, or wait for late segments
    for (const auto& [stream, handle] : alive)
      self->send(handle, close_stream{true});
  arm();
  finish_if_done();
}

const char* client_session_state::state_of(const slot& s, const member& m) {
  if (&m == &s.next) return "opening";
  return s.silent ? "silent" : s.idle ? "idle" : "open";
}

void client_session_state::tell_status(const ask_status& question) const {
  const auto now = self->now();
  const auto* state = closing ? "closing" : is_open() ? "open" : ever_open ? "waiting" : "opening";
  session_status answer{question.question, self->id(), given.where->index, given.tunnel->name,
                        given.path.peer,   state,      now - born,         {}};
  for (const auto& s : slots)
    for (const auto* m : {&s.current, &s.next})
      if (*m)
        answer.streams.push_back(
            {m->tuple, closing ? "closing" : state_of(s, *m), m->wire, now - m->since});
  self->send(as<status_actor>(question.answer_to), std::move(answer));
}

void client_session_state::announce() {
  streams_changed now{given.path, self->id(), {}, 0, wire != protocol::profile::native};
  // One port at the upstream at a time: streams of an older group are on their way out.
  std::uint32_t newest = 0;
  for (const auto& s : slots)
    if (s.open && s.current) newest = std::max(newest, s.current.generation);
  // Those that seem dead, or have not shown yet that more than SYNs passes, are left out unless they
  // are all there is.
  constexpr auto standing = [](const slot& s) { return s.silent ? 2 : s.current.greeted ? 0 : 1; };
  for (int wanted = 0; wanted <= 2 && now.streams.empty(); ++wanted) {
    for (const auto& s : slots)
      if (s.open && s.current && s.current.generation == newest && standing(s) == wanted)
        now.streams.push_back(caf::actor_cast<caf::actor>(s.current.stream));
    now.room = wanted == 1 ? before_greeting : 0;
  }
  self->send(as<udp_listener_actor>(given.listener), std::move(now));
}

bool client_session_state::is_open() const {
  return std::any_of(slots.begin(), slots.end(), [](const slot& s) { return s.open; });
}

bool client_session_state::is_idle() const {
  return std::all_of(slots.begin(), slots.end(), [](const slot& s) { return s.idle || !s.open; });
}

void client_session_state::end_in_turn() {
  const auto turn = given.where->endings.next(self->now());
  if (turn > self->now())
    close_at = turn;
  else
    close(false);
}

bool client_session_state::has_stream() const {
  return std::any_of(slots.begin(), slots.end(), [](const slot& s) { return s.current || s.next; });
}

void client_session_state::arm() {
  std::optional<protocol::time_point> at;
  const auto earlier = [&](protocol::time_point t) {
    if (!at || t < *at) at = t;
  };
  for (const auto& s : slots) {
    if (s.retry_at) earlier(*s.retry_at);
    if (s.attempts && s.attempts->at) earlier(*s.attempts->at);
  }
  if (streamless_since && !closing) earlier(*streamless_since + given.tunnel->idle_timeout);
  if (close_at && !closing) earlier(*close_at);
  if (rests_until && !closing) earlier(*rests_until);
  self->arm(at);
}

void client_session_state::finish_if_done() {
  if (closing && alive.empty()) self->quit();
}

} // namespace tonel::actors
