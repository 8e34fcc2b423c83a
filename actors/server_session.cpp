#include "actors/server_session.hpp"

#include "actors/log.hpp"
#include "actors/stream.hpp"
#include "actors/udp_endpoint.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace tonel::actors {

caf::behavior server_session(pinned<server_session_state>* self, shard* where,
                             const tunnel_ptr& tunnel, caf::actor queue,
                             const upstream_sockets& sockets) {
  self->state.start(where, tunnel, queue, sockets);
  self->set_down_handler([self](const caf::down_msg& down) { self->state.on_down(down); });
  return {
      [self](adopt_stream& hello) { self->state.adopt(hello); },
      [self](const stream_event& event) { self->state.on_event(event); },
      [self](timer_event) { self->state.on_timer(); },
      [self](probe_stream) { self->state.probe(); },
      [self](const close_session& how) { self->state.close(how.at_exit); },
  };
}

void server_session_state::start(shard* s, const tunnel_ptr& session_tunnel,
                                 const caf::actor& tun_queue, const upstream_sockets& udp) {
  where = s;
  tunnel = session_tunnel;
  queue = tun_queue;
  sockets = udp;
  where->stats.add(counter::sessions_opened);
  spawn_endpoint();
}

void server_session_state::spawn_endpoint() {
  endpoint =
      self->spawn<caf::monitored>(udp_endpoint, where, sockets, caf::actor_cast<caf::actor>(self));
}

void server_session_state::adopt(adopt_stream& hello) {
  if (closing) {
    self->send(as<tun_queue_actor>(hello.queue), stream_refused{hello.tuple});
    return;
  }
  const auto& greeting = hello.accepted.hello;
  for (const auto& [index, m] : members) {
    if (m.tuple != hello.tuple) continue;
    // A repeated hello that met another queue before that knew of the stream.
    self->send(as<tun_queue_actor>(hello.queue),
               stream_up{hello.tuple, caf::actor_cast<caf::actor>(m.stream), false});
    inbound_batch again;
    again.segments.push_back(std::move(hello.hello));
    self->send(m.stream, std::move(again));
    return;
  }
  // Those that were replaced live on for some seconds; a peer must not pile them up.
  if (alive.size() >= std::size_t{4} * greeting.stream_count + 4) {
    where->stats.add(counter::session_refused);
    self->send(as<tun_queue_actor>(hello.queue), stream_refused{hello.tuple});
    return;
  }
  protocol::stream_config config;
  config.tuple = hello.tuple;
  config.iss = hello.accepted.iss;
  config.ip_id = where->random<std::uint16_t>();
  config.mtu = where->process.settings.tun.mtu;
  config.session = greeting.session;
  config.challenge_limit = &where->challenges;
  config.stream_index = greeting.stream_index;
  config.stream_count = greeting.stream_count;
  config.idle_timeout = tunnel->idle_timeout;
  config.handshake_packet = tunnel->handshake_packet;
  stream_start start;
  start.where = where;
  start.tunnel = tunnel;
  start.side = role::server;
  start.tuple = hello.tuple;
  start.queue = queue;
  start.sink = endpoint;
  start.session = caf::actor_cast<caf::actor>(self);
  start.machine =
      protocol::stream::accept(config, greeting, hello.accepted.client_iss, self->now());
  start.hello = std::move(hello.hello);
  start.held = std::move(hello.accepted.held);
  if (const auto deadline = tunnel->deadline; deadline.count() != 0)
    start.ends_at = self->now() + deadline;
  const auto spawned = self->spawn<caf::monitored>(stream, start);
  const member added{as<stream_actor>(spawned), spawned.id(), hello.tuple, false};
  auto& place = members[greeting.stream_index];
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
    for (const auto& [id, m] : alive)
      self->send(m.stream, sink_changed{endpoint});
    announce();
    return;
  }
  if (alive.erase(child) == 0) return;
  remove(child); // still a member: it ended by a fault; the client will bring another
  note_streamless();
  finish_if_done();
}

void server_session_state::note_streamless() {
  if (!members.empty() || closing || streamless_since) return;
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
  for (const auto& [index, m] : members)
    self->send(m.stream, close_stream{at_exit});
  if (at_exit) // those too that drain, or wait for late segments
    for (const auto& [id, m] : alive)
      self->send(m.stream, close_stream{true});
  finish_if_done();
}

void server_session_state::announce() {
  streams_changed now;
  for (const auto& [index, m] : members)
    now.streams.push_back(caf::actor_cast<caf::actor>(m.stream));
  self->send(as<udp_endpoint_actor>(endpoint), std::move(now));
}

void server_session_state::finish_if_done() {
  if (closing && alive.empty()) self->quit();
}

} // namespace tonel::actors
