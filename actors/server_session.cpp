#include "actors/server_session.hpp"

#include "actors/log.hpp"
#include "actors/udp_endpoint.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

namespace tonel::actors {

namespace {

// Connections of an older client's group: its stream indexes are ours to give, in one octet.
constexpr std::size_t most_in_group = 256;

} // namespace

caf::behavior server_session(pinned<server_session_state>* self,
                             const server_session_start& start) {
  self->state.start(start);
  self->set_down_handler([self](const caf::down_msg& down) { self->state.on_down(down); });
  return {
      [self](adopt_stream& request) { self->state.adopt(request); },
      [self](const stream_event& event) { self->state.on_event(event); },
      [self](timer_event) { self->state.on_timer(); },
      [self](probe_stream) { self->state.probe(); },
      [self](const ask_status& question) { self->state.tell_status(question); },
      [self](const close_session& how) { self->state.close(how.at_exit); },
  };
}

void server_session_state::start(const server_session_start& s) {
  where = s.where;
  tunnel = s.tunnel;
  queue = s.queue;
  upstream = s.upstream;
  sockets = s.sockets;
  group = s.group;
  legacy = s.group != nullptr;
  born = self->now();
  where->stats.add(counter::sessions_opened);
  if (!sockets.empty()) spawn_endpoint();
}

void server_session_state::spawn_endpoint() {
  endpoint =
      self->spawn<caf::monitored>(udp_endpoint, where, sockets, caf::actor_cast<caf::actor>(self));
  for (const auto& [id, m] : alive)
    self->send(m.stream, sink_changed{endpoint});
  announce();
}

void server_session_state::open_upstreams() {
  if (endpoint || closing) return;
  sockets = where->open_upstreams(*tunnel, upstream);
  if (!sockets.empty()) return spawn_endpoint();
  where->stats.add(counter::session_refused);
  self->quit(); // its streams reset themselves
}

void server_session_state::adopt(adopt_stream& request) {
  if (closing) return refuse(request);
  if (repeated(request)) return;
  std::visit([&](auto& accepted) { accept(accepted, request); }, request.accepted);
}

/// What met another queue before that knew of the stream.
bool server_session_state::repeated(adopt_stream& request) {
  const auto deliver = [&](const member& m) {
    self->send(as<tun_queue_actor>(request.queue),
               stream_up{request.tuple, caf::actor_cast<caf::actor>(m.stream), false});
    inbound_batch again;
    again.segments.push_back(std::move(request.proof));
    self->send(m.stream, std::move(again));
  };
  for (const auto& [index, m] : members)
    if (m.tuple == request.tuple) return deliver(m), true;
  // A native hello may take the place of a stream that only drains; here, the one that was closed
  // answers.
  if (!legacy) return false;
  for (const auto& [id, m] : alive)
    if (m.tuple == request.tuple) return deliver(m), true;
  return false;
}

void server_session_state::refuse(const adopt_stream& request) {
  self->send(as<tun_queue_actor>(request.queue), stream_refused{request.tuple});
}

protocol::stream_config server_session_state::config_for(const adopt_stream& request) const {
  protocol::stream_config config;
  config.tuple = request.tuple;
  config.ip_id = where->random<std::uint16_t>();
  config.mtu = where->process.settings.tun.mtu;
  config.challenge_limit = &where->challenges;
  config.idle_timeout = tunnel->idle_timeout;
  config.handshake_packet = tunnel->handshake_packet;
  return config;
}

void server_session_state::accept(protocol::accept_stream& accepted, adopt_stream& request) {
  const auto& greeting = accepted.hello;
  // Those that were replaced live on for some seconds; a peer must not pile them up.
  if (alive.size() >= std::size_t{4} * greeting.stream_count + 4) {
    where->stats.add(counter::session_refused);
    return refuse(request);
  }
  auto config = config_for(request);
  config.iss = accepted.iss;
  config.session = greeting.session;
  config.stream_index = greeting.stream_index;
  config.stream_count = greeting.stream_count;
  stream_start start;
  start.machine = protocol::stream::accept(config, greeting, accepted.client_iss, self->now());
  start.held = std::move(accepted.held);
  add(greeting.stream_index, start, request);
}

void server_session_state::accept(const protocol::accept_legacy& accepted, adopt_stream& request) {
  // One that opened this group and has ended since: its client begins with a SYN.
  const bool late = accepted.join == 0 && !request.group;
  if (late || alive.size() >= most_in_group) {
    where->stats.add(counter::session_refused);
    return refuse(request);
  }
  std::uint8_t index = 0;
  while (members.count(index) != 0)
    ++index;
  auto config = config_for(request);
  config.iss = accepted.iss;
  config.wire = accepted.shown;
  config.cookie = &where->cookie;
  stream_start start;
  start.machine = protocol::stream::accept_legacy(config, accepted.client_iss, self->now());
  start.first = std::move(request.first);
  add(index, start, request);
}

void server_session_state::add(std::uint8_t index, stream_start& start, adopt_stream& request) {
  start.where = where;
  start.tunnel = tunnel;
  start.side = role::server;
  start.tuple = request.tuple;
  start.queue = queue;
  start.sink = endpoint;
  start.session = caf::actor_cast<caf::actor>(self);
  start.proof = std::move(request.proof);
  if (const auto deadline = tunnel->deadline; deadline.count() != 0)
    start.ends_at = self->now() + deadline;
  const auto spawned = self->spawn<caf::monitored>(stream, start);
  const member added{as<stream_actor>(spawned), spawned.id(), request.tuple, false, self->now(),
                     start.machine->wire()};
  peer = request.tuple.remote;
  auto& place = members[index];
  if (place.id != 0) self->send(place.stream, supersede_stream{});
  place = added;
  alive.emplace(added.id, added);
  streamless_since.reset();
  self->arm(std::nullopt);
  announce();
}

void server_session_state::on_event(const stream_event& event) {
  using kind = stream_event::kind;
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const auto& m) { return m.second.id == event.stream; });
  if (found == members.end()) return; // of a stream that was replaced
  switch (event.what) {
  case kind::idle:
    found->second.idle = true;
    if (std::all_of(members.begin(), members.end(), [](const auto& m) { return m.second.idle; }))
      close(false);
    break;
  case kind::active: found->second.idle = false; break;
  case kind::ended:
    members.erase(found);
    announce();
    if (event.why == protocol::end_reason::closed_by_peer && members.empty())
      close(false);
    else
      note_streamless();
    break;
  case kind::too_large:
    if (!std::exchange(told_too_large, true))
      log_warn("session of ", found->second.tuple.remote, ": a datagram of ", event.size,
               " octets does not fit and was dropped; the largest that does has ", event.limit);
    break;
  case kind::sink_wanted: open_upstreams(); break;
  case kind::opened:
  case kind::greeted:
  case kind::silent:
  case kind::recovered:
  case kind::aging:
  case kind::try_new_port:
  case kind::legacy: break; // the client's to act on
  }
  finish_if_done();
}

void server_session_state::remove(std::uint64_t stream) {
  for (auto it = members.begin(); it != members.end(); ++it) {
    if (it->second.id != stream) continue;
    members.erase(it);
    announce();
    return;
  }
}

void server_session_state::on_down(const caf::down_msg& down) {
  const auto child = down.source.id();
  if (endpoint && endpoint.id() == child) {
    if (closing) return;
    if (!faults.take(self->now())) {
      self->quit(make_error(ec::restart_limit));
      return;
    }
    spawn_endpoint();
    return;
  }
  if (alive.erase(child) == 0) return;
  remove(child); // still a member: it ended by a fault; the client will bring another
  note_streamless();
  finish_if_done();
}

void server_session_state::note_streamless() {
  if (!members.empty() || closing || streamless_since) return;
  if (legacy) return close(false);
  streamless_since = self->now();
  self->arm(self->now() + tunnel->idle_timeout);
}

void server_session_state::on_timer() {
  if (streamless_since) close(false);
}

void server_session_state::probe() {
  for (const auto& [index, m] : members)
    self->send(m.stream, probe_stream{});
}

void server_session_state::close(bool at_exit) {
  closing = true;
  group.reset();
  for (const auto& [index, m] : members)
    self->send(m.stream, close_stream{at_exit});
  if (at_exit) // those too that drain, or wait for late segments
    for (const auto& [id, m] : alive)
      self->send(m.stream, close_stream{true});
  // The older dialects close by RST, after which nothing is read: no socket waits for that.
  if (legacy && endpoint) {
    self->send(as<udp_endpoint_actor>(std::exchange(endpoint, nullptr)), close_session{});
    sockets.clear();
  }
  finish_if_done();
}

void server_session_state::tell_status(const ask_status& question) const {
  const auto now = self->now();
  const auto age = [now](protocol::time_point since) {
    return std::chrono::duration_cast<std::chrono::seconds>(now - since);
  };
  session_status answer;
  answer.question = question.question;
  answer.session = self->id();
  answer.shard = where->index;
  answer.tunnel = tunnel->name;
  answer.peer = peer;
  answer.state = closing ? "closing" : members.empty() ? "waiting" : "open";
  answer.age = age(born);
  for (const auto& [index, m] : members)
    answer.streams.push_back({m.tuple,
                              closing  ? "closing"
                              : m.idle ? "idle"
                                       : "open",
                              m.wire, age(m.since)});
  self->send(as<status_actor>(question.answer_to), std::move(answer));
}

void server_session_state::announce() {
  if (!endpoint) return;
  streams_changed now;
  for (const auto& [index, m] : members)
    now.streams.push_back(caf::actor_cast<caf::actor>(m.stream));
  self->send(as<udp_endpoint_actor>(endpoint), std::move(now));
}

void server_session_state::finish_if_done() {
  if (closing && alive.empty()) self->quit();
}

} // namespace tonel::actors
