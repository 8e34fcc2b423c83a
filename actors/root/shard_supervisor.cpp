#include "actors/root/shard_supervisor.hpp"

#include "actors/path/tun_queue.hpp"
#include "actors/path/udp_listener.hpp"
#include "actors/runtime/behavior_of.hpp"
#include "actors/runtime/log.hpp"
#include "actors/session/client_session.hpp"
#include "actors/session/server_session.hpp"
#include "actors/supervision/exit_reason.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <utility>

namespace tonel::actors {

using namespace std::chrono_literals;

namespace {

// Time for peers to answer FINs at exit; the process has to end within 2 s.
constexpr auto stop_grace = 1'600ms;
// A session that carried datagrams both ways within this time is not displaced by another of its
// source, since a source may be many hosts behind one address.
constexpr auto in_use_time = 10s;

constexpr std::size_t queue_stage = 0, listener_stage = 1, session_stage = 2;

} // namespace

caf::behavior shard_supervisor(pinned<shard_supervisor_state>* self, shard* where,
                               const caf::actor& root) {
  self->on_fault([self] { self->state.fail(); });
  self->state.start(where, root);
  self->set_down_handler([self](const caf::down_msg& down) { self->state.on_down(down); });
  return behavior_of<shard_supervisor_actor, own<timer_event>>(
      [self](adopt_stream& request) { self->state.adopt(request); },
      [self](const open_session& request) { self->state.open(request); },
      [self](const peers_changed& peers) { self->state.set_peers(peers); },
      [self](const remote_resolved& r) { self->state.resolved(r); },
      [self](const remote_answers& r) { self->state.answered(r); },
      [self](const ways_changed& w) { self->state.readdress(w); },
      [self](const remote_tried& what) { self->state.tried(what); },
      [self](const tunnels_changed& changed) { self->state.set_tunnels(changed); },
      [self](probe_stream) { self->state.probe(); },
      [self](const ask_status& question) { self->state.tell_status(question); },
      [self](const close_one& request) { self->state.close_session_of(request); },
      [self](const session_closing& closing) { self->state.release_place(closing); },
      [self](const displace_session& request) { self->state.displace(request); },
      [self](stop_shard) { self->state.stop(); }, [self](timer_event) { self->state.on_timer(); });
}

std::size_t
shard_supervisor_state::session_hash::operator()(const session_key& key) const noexcept {
  // The id is random, but chosen by the client: so it is mixed with a secret of the server.
  std::uint64_t id = 0;
  std::memcpy(&id, key.id.data(), sizeof id);
  auto x = (id ^ seed) * 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 32) ^ seed) * 0xd6e8feb86659fd93u;
  return x ^ (x >> 32);
}

void shard_supervisor_state::start(shard* s, const caf::actor& root_supervisor) {
  where = s;
  root = root_supervisor;
  const auto& context = s->process;
  by_id = std::make_unique<std::unordered_map<session_key, caf::actor, session_hash>>(
      0, session_hash{context.hash.seed});
  auto bounds = s->session_bounds();
  admits = std::make_shared<admission>(session_limits{bounds, *context.sources});
  bounds.opening = bounds.sessions; // sessions of a server are open from the start
  limits = std::make_unique<session_limits>(bounds, *context.sources);
  order = std::make_unique<leave_order>(role::server);
  // The first restart at once: sessions wait for it, with datagrams on their way.
  plan = std::make_shared<restart_plan>(
      restart_plan{restart_budget{3, 30s}, {0ms, 100ms, 10s}, protocol::duration{30s}});
  children.add(queue_child());
  children.add(sessions_child());
  add_listeners();
}

child shard_supervisor_state::queue_child() {
  child out;
  out.name = "tun_queue";
  out.stage = queue_stage;
  out.start = [this](bool) {
    queue = self->spawn<caf::monitored>(tun_queue, where);
    each_session([this](const session_actor& s) { self->send(s, queue_changed{queue}); });
    self->send(as<root_supervisor_actor>(root), child_up{where->index, queue});
    if (peers) set_peers(*peers);
    return queue.id();
  };
  out.stop = [this](ending how) { self->send_exit(queue, reason_of(how)); };
  out.plan = plan;
  return out;
}

child shard_supervisor_state::listener_child(const shard_tunnel& tunnel,
                                             const std::shared_ptr<listener_seat>& seat) {
  child out;
  out.name = "listener";
  out.stage = listener_stage;
  out.start = [this, tunnel, seat](bool) {
    seat->actor = self->spawn<caf::monitored>(
        udp_listener, udp_listener_start{where, tunnel.settings, tunnel.listener, admits,
                                         caf::actor_cast<caf::actor>(self)});
    for (const auto& [id, entry] : client_sessions)
      if (entry.tunnel == tunnel.settings)
        self->send(as<client_session_actor>(entry.session), listener_changed{seat->actor});
    return seat->actor.id();
  };
  out.stop = [this, seat](ending how) { self->send_exit(seat->actor, reason_of(how)); };
  out.plan = plan;
  return out;
}

child shard_supervisor_state::sessions_child() {
  child out;
  out.name = "sessions";
  out.stage = session_stage;
  out.start = [](bool) { return std::uint64_t{0}; };
  out.stop = [this](ending how) {
    each_session([&](const session_actor& s) {
      if (how == ending::asked)
        self->send(s, close_session{true});
      else
        self->send_exit(s, caf::exit_reason::kill);
    });
  };
  out.gone = [this] { return server_sessions.empty() && client_sessions.empty(); };
  // Peers that do not answer the FIN in time learn of the end by the RST to their next segment.
  out.stop_after = protocol::duration{stop_grace};
  return out;
}

void shard_supervisor_state::add_listeners() {
  const auto in_use = [this](const auto& socket) {
    return std::any_of(retired.begin(), retired.end(),
                       [&](const auto& r) { return r.second.listener == socket; });
  };
  for (const auto& tunnel : where->tunnels) {
    const auto* key = tunnel.settings.get();
    if (!tunnel.listener || listeners.count(key) != 0 || in_use(tunnel.listener)) continue;
    const auto seat = std::make_shared<listener_seat>();
    seat->id = children.add(listener_child(tunnel, seat));
    listeners.emplace(key, seat);
  }
  children.start(self->now());
}

void shard_supervisor_state::set_tunnels(const tunnels_changed& changed) {
  const auto before = std::exchange(where->tunnels, changed.tunnels);
  for (auto& tunnel : where->tunnels)
    for (const auto& old : before)
      if (old.settings == tunnel.settings && tunnel.remotes.empty()) tunnel.remotes = old.remotes;
  for (const auto& old : before)
    if (where->find(old.settings) == nullptr) close_tunnel(old);
  if (queue && children.at_work()) self->send(as<tun_queue_actor>(queue), ports_changed{});
  add_listeners();
}

void shard_supervisor_state::close_tunnel(const shard_tunnel& removed) {
  where->left.drop(removed.settings);
  for (auto& [id, entry] : server_sessions)
    if (entry.tunnel == removed.settings)
      self->send(as<session_actor>(entry.session), close_session{false});
  for (auto& [id, entry] : client_sessions)
    if (entry.tunnel == removed.settings)
      self->send(as<session_actor>(entry.session), close_session{false});
  const auto listener = listeners.find(removed.settings.get());
  if (listener == listeners.end()) return;
  const auto& seat = *listener->second;
  if (seat.actor) retired.emplace(seat.id, removed);
  children.retire(seat.id, self->now());
  listeners.erase(listener);
}

caf::actor shard_supervisor_state::listener_of(const tunnel_ptr& tunnel) const {
  const auto found = listeners.find(tunnel.get());
  return found == listeners.end() ? nullptr : found->second->actor;
}

void shard_supervisor_state::set_peers(const peers_changed& changed) {
  peers = changed;
  if (queue) self->send(as<tun_queue_actor>(queue), changed);
}

void shard_supervisor_state::resolved(const remote_resolved& changed) {
  auto* tunnel = where->find(changed.tunnel);
  if (tunnel == nullptr) return;
  const auto& now = changed.addresses;
  const auto before = std::exchange(tunnel->remotes, now);
  if (before == now) return;
  for (auto& [id, entry] : server_sessions)
    if (entry.tunnel == changed.tunnel)
      self->send(as<server_session_actor>(entry.session), changed);
  // Their order is for sessions that begin: of many that are at work each has tried some itself.
  if (std::is_permutation(before.begin(), before.end(), now.begin(), now.end())) return;
  for (auto& [id, entry] : client_sessions)
    if (entry.tunnel == changed.tunnel)
      self->send(as<client_session_actor>(entry.session), changed);
}

void shard_supervisor_state::readdress(const ways_changed& now) {
  for (auto& [id, entry] : client_sessions)
    self->send(as<client_session_actor>(entry.session), now);
}

void shard_supervisor_state::answered(const remote_answers& what) {
  if (what.pass_on && peers)
    for (const auto& each : peers->supervisors)
      if (each != self) self->send(as<shard_supervisor_actor>(each), remote_answers{what.tunnel});
  for (auto& [id, entry] : client_sessions)
    if (entry.tunnel == what.tunnel) self->send(as<client_session_actor>(entry.session), what);
}

void shard_supervisor_state::tried(const remote_tried& what) {
  self->send(as<root_supervisor_actor>(root), what);
}

void shard_supervisor_state::open(const open_session& request) {
  const auto* tunnel = where->find(request.tunnel);
  const auto listener = listener_of(request.tunnel);
  if (!children.at_work() || tunnel == nullptr || !listener)
    return; // the asking listener is about to end
  client_session_start start;
  start.where = where;
  start.tunnel = request.tunnel;
  start.path = request.path;
  start.remotes = tunnel->remotes;
  start.queue = queue;
  start.listener = listener;
  start.supervisor = caf::actor_cast<caf::actor>(self);
  start.health = where->health_of(request.tunnel);
  start.use = std::make_shared<session_use>();
  start.place = request.place;
  const auto session = self->spawn<caf::monitored>(client_session, start);
  admits->order.add(session.id(), {}, start.use, self->now());
  client_sessions.emplace(session.id(), client_entry{session, request.tunnel, request.path});
  self->send(as<udp_listener_actor>(listener), session_changed{request.path, session, 0});
}

caf::actor shard_supervisor_state::session_of(const adopt_stream& request) const {
  if (const auto* native = std::get_if<protocol::accept_stream>(&request.accepted)) {
    const auto known = by_id->find({request.tunnel.get(), native->hello.session});
    return known == by_id->end() ? nullptr : known->second;
  }
  const auto known = by_owner.find(request.owner);
  return known == by_owner.end() ? nullptr : known->second;
}

session_limits::place shard_supervisor_state::place_for(const protocol::ip_address& address) {
  const auto now = self->now();
  auto place = limits->admit(address, now);
  if (place) return place;
  const auto why = place.why();
  std::optional<leave_order::candidate> first;
  if (why == refusal::all) {
    first = order->first();
    // A session that has carried datagrams both ways is not displaced for another source.
    if (first && first->worth != leave_order::merit::unproven) first.reset();
  } else if (why == refusal::source) {
    first = order->first_of(source_of(address), now);
    if (first && first->worth == leave_order::merit::proven && now - first->since < in_use_time)
      first.reset();
  }
  where->limit_reached(why, address, first.has_value());
  const auto found = first ? server_sessions.find(first->session) : server_sessions.end();
  if (found == server_sessions.end()) return place;
  where->stats.add(counter::sessions_displaced);
  self->send(as<session_actor>(found->second.session), close_session{false, true});
  release_place({first->session});
  return limits->admit(address, now);
}

caf::actor shard_supervisor_state::make_session(const adopt_stream& request,
                                                const shard_tunnel& tunnel) {
  if (where->process.provoke) where->process.provoke("shard", {});
  const auto& source = request.tuple.remote.address;
  auto place = place_for(source);
  if (!place) return nullptr;
  place.opened();
  const auto* native = std::get_if<protocol::accept_stream>(&request.accepted);
  server_session_start start{where,
                             request.tunnel,
                             queue,
                             caf::actor_cast<caf::actor>(self),
                             tunnel.remotes,
                             request.group,
                             request.answers,
                             {},
                             std::make_shared<session_use>(),
                             where->health_of(request.tunnel)};
  if (native != nullptr) {
    start.id = native->hello.session;
    if (auto left = where->left.take(request.tunnel, native->hello)) {
      start.proof = left->proof;
      start.inherited = std::move(left->sockets);
      start.inherited_from = left->upstream;
    } else {
      start.proof.emplace(native->hello);
    }
  }
  auto session = self->spawn<caf::monitored>(server_session, start);
  order->add(session.id(), source_of(source), start.use, self->now());
  server_entry entry{session, request.tunnel, {}, std::move(place), request.owner};
  if (native != nullptr) {
    entry.key = {request.tunnel.get(), native->hello.session};
    by_id->emplace(entry.key, session);
  } else {
    by_owner.emplace(request.owner, session);
  }
  server_sessions.emplace(session.id(), std::move(entry));
  return session;
}

void shard_supervisor_state::adopt(adopt_stream& request) {
  const auto* legacy = std::get_if<protocol::accept_legacy>(&request.accepted);
  caf::actor session;
  const auto* tunnel = where->find(request.tunnel);
  if (children.at_work() && tunnel != nullptr && !tunnel->remotes.empty()) {
    session = session_of(request);
    const auto* native = std::get_if<protocol::accept_stream>(&request.accepted);
    if (!session && native != nullptr && !native->hello.introduces &&
        !where->left.has(request.tunnel, native->hello)) {
      // From before a restart, or of another server behind the address: the client introduces it
      // again.
      where->drop(request.proof.packet, protocol::errc::no_session);
      self->send(as<tun_queue_actor>(request.queue), stream_refused{request.tuple});
      return;
    }
    request.place = where->streams.admit(request.tuple.remote.address, self->now());
    if (!request.place)
      where->limit_reached(where->streams.why(), request.tuple.remote.address, false);
    const bool may_make = legacy == nullptr || request.group;
    // A repeat that overtook the original, which another queue has read: the original makes it.
    if (!session && !may_make && legacy->join == 0) return;
    if (!session && may_make && request.place) session = make_session(request, *tunnel);
  }
  if (!session) {
    where->stats.add(counter::session_refused);
    self->send(as<tun_queue_actor>(request.queue), stream_refused{request.tuple});
    return;
  }
  self->send(as<server_session_actor>(session), std::move(request));
}

void shard_supervisor_state::probe() {
  each_session([this](const session_actor& s) { self->send(s, probe_stream{}); });
}

void shard_supervisor_state::tell_status(const ask_status& question) {
  std::vector<session_actor> chosen;
  const auto choose = [&](const auto& sessions) {
    for (auto at = sessions.upper_bound(question.after);
         at != sessions.end() && chosen.size() < question.sessions; ++at)
      chosen.push_back(as<session_actor>(at->second.session));
  };
  choose(server_sessions); // one of the two is empty: a process is either server or client
  choose(client_sessions);
  shard_status now;
  now.question = question.question;
  now.shard = where->index;
  now.sessions = server_sessions.size() + client_sessions.size();
  now.streams =
      where->stats.get(counter::streams_opened) - where->stats.get(counter::streams_ended);
  now.listed = chosen.size();
  now.offload = where->tun.offload();
  now.slabs_in_use = where->pool.in_use();
  now.slabs = where->pool.capacity();
  for (const auto& tunnel : where->tunnels)
    if (tunnel.health) now.tunnels.push_back(tunnel.health->summary(*tunnel.settings, self->now()));
  self->send(as<status_actor>(question.answer_to), now);
  for (const auto& session : chosen)
    self->send(session, question);
}

void shard_supervisor_state::close_session_of(const close_one& request) {
  session_closed answer{request.question, false};
  const auto close_in = [&](const auto& sessions) {
    const auto at = sessions.find(request.session);
    if (at == sessions.end()) return;
    answer.found = true;
    self->send(as<session_actor>(at->second.session), close_session{});
  };
  close_in(server_sessions);
  close_in(client_sessions);
  self->send(as<control_actor>(request.answer_to), answer);
}

void shard_supervisor_state::release_place(const session_closing& closing) {
  order->remove(closing.session);
  const auto found = server_sessions.find(closing.session);
  if (found != server_sessions.end()) found->second.place = {};
}

void shard_supervisor_state::displace(const displace_session& request) {
  const auto found = client_sessions.find(request.session);
  if (found == client_sessions.end()) return;
  where->stats.add(counter::sessions_displaced);
  self->send(as<session_actor>(found->second.session), close_session{false, true});
}

void shard_supervisor_state::on_down(const caf::down_msg& down) {
  if (session_ended(down)) {
    children.on_left(self->now());
    return quit_or_arm();
  }
  const auto end = children.on_down(down.source.id(), self->now());
  for (const auto& [key, seat] : listeners)
    if (seat->id == end.who) seat->actor = nullptr;
  if (retired.erase(end.who) != 0) add_listeners();
  if (end.is == supervisor::outcome::kind::given_up) return give_up("too many faults");
  on_timer(); // a first restart is due at once
}

bool shard_supervisor_state::session_ended(const caf::down_msg& down) {
  const auto child = down.source.id();
  bool fault = bool{down.reason};
  if (const auto s = server_sessions.find(child); s != server_sessions.end()) {
    if (s->second.owner != 0)
      by_owner.erase(s->second.owner);
    else
      by_id->erase(s->second.key);
    order->remove(child);
    server_sessions.erase(s);
  } else if (const auto c = client_sessions.find(child); c != client_sessions.end()) {
    if (const auto listener = listener_of(c->second.tunnel))
      self->send(as<udp_listener_actor>(listener), session_changed{c->second.path, nullptr, child});
    admits->order.remove(child);
    client_sessions.erase(c);
  } else {
    return false;
  }
  if (children.at_work() && fault && !session_faults.take(self->now()))
    give_up("too many sessions failed");
  return true;
}

void shard_supervisor_state::give_up(const char* of_what) {
  log_error("shard ", where->index, ": ", of_what, " in a short time");
  fail();
  self->quit(make_error(ec::restart_limit));
}

void shard_supervisor_state::fail() { children.abandon(ending::killed); }

void shard_supervisor_state::quit_or_arm() {
  if (children.ended()) self->quit();
  auto at = children.next_deadline();
  if (const auto left = where->left.deadline(); left && (!at || *left < *at)) at = left;
  self->arm(at);
}

void shard_supervisor_state::stop() {
  children.stop(self->now());
  quit_or_arm();
}

void shard_supervisor_state::on_timer() {
  children.on_timer(self->now());
  where->left.expire(self->now());
  quit_or_arm();
}

} // namespace tonel::actors
