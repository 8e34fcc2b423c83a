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
  static const auto state = []() -> server_session_state& {
    return state_of_handler<server_session_state>();
  };
  static const caf::behavior of_all{
      [](adopt_stream& request) { state().adopt(request); },
      [](const protocol::stream_report& event) { state().on_event(event); },
      [](timer_event) { state().on_timer(); },
      [](probe_stream) { state().probe(); },
      [](const ask_status& question) { state().tell_status(question); },
      [](const close_session& how) {
        how.displaced ? state().displace() : state().close(how.at_exit);
      },
  };
  return of_all;
}

void server_session_state::start(const server_session_start& s) {
  where = s.where;
  tunnel = s.tunnel;
  queue = s.queue;
  supervisor = s.supervisor;
  upstream = s.upstream;
  group = s.group;
  proof = s.proof;
  use = s.use;
  legacy = s.group != nullptr;
  answers = s.answers;
  born = self->now();
  where->stats.add(counter::sessions_opened);
}

void server_session_state::spawn_endpoint() {
  endpoint =
      self->spawn<caf::monitored>(udp_endpoint, where, sockets, caf::actor_cast<caf::actor>(self));
  for (const auto& m : streams)
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
  const auto known = std::find_if(streams.begin(), streams.end(), [&](const member& m) {
    // A native hello may take the place of a stream that only drains; of the older dialects, the one
    // that was closed answers.
    return m.tuple == request.tuple && (m.current || legacy);
  });
  if (known == streams.end()) return false;
  self->send(as<tun_queue_actor>(request.queue),
             stream_up{request.tuple, caf::actor_cast<caf::actor>(known->stream), false});
  from_device again;
  again.segments.push_back(std::move(request.proof));
  self->send(known->stream, std::move(again));
  return true;
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
  config.seed = where->random<std::uint64_t>();
  config.idle_timeout = tunnel->idle_timeout;
  config.handshake_packet = tunnel->handshake_packet;
  config.cookie = &where->cookie;
  return config;
}

void server_session_state::accept(protocol::accept_stream& accepted, adopt_stream& request) {
  const auto& greeting = accepted.hello;
  if (!proof) return refuse(request);
  if (const auto admitted = proof->admit(greeting); !admitted) {
    where->stats.add(admitted.error());
    return refuse(request);
  }
  // Those that were replaced live on for some seconds; a peer must not pile them up.
  if (streams.size() >= std::size_t{2} * greeting.stream_count + 2) {
    where->stats.add(counter::session_refused);
    return refuse(request);
  }
  auto config = config_for(request);
  config.iss = accepted.iss;
  config.session.secret = proof->secret();
  if (greeting.stream_count > 1) {
    if (!fellows) fellows = std::make_shared<protocol::fellows>();
    config.fellows = fellows;
  }
  stream_start start;
  start.machine = protocol::stream::accept(config, greeting, accepted.client_iss, self->now());
  start.held = std::move(accepted.held);
  add(greeting.stream_index, start, request);
}

void server_session_state::accept(const protocol::accept_legacy& accepted, adopt_stream& request) {
  // One that opened this group and has ended since: its client begins with a SYN.
  const bool late = accepted.join == 0 && !request.group;
  if (late || streams.size() >= most_in_group) {
    where->stats.add(counter::session_refused);
    return refuse(request);
  }
  std::uint8_t index = 0;
  while (current_at(index) != nullptr)
    ++index;
  auto config = config_for(request);
  config.iss = accepted.iss;
  config.wire = accepted.shown;
  config.answers = answers;
  stream_start start;
  start.machine = protocol::stream::accept_legacy(config, accepted.client_iss, self->now());
  start.context.first = std::move(request.first);
  add(index, start, request);
}

void server_session_state::add(std::uint8_t index, stream_start& start, adopt_stream& request) {
  if (!request.place) {
    where->stats.add(counter::session_refused);
    return refuse(request);
  }
  auto& kept = start.context;
  kept.where = where;
  kept.tunnel = tunnel;
  kept.side = role::server;
  kept.number = ++latest;
  kept.session = caf::actor_cast<caf::actor>(self);
  kept.place = std::move(request.place);
  kept.used = use;
  if (const auto deadline = tunnel->deadline; deadline.count() != 0)
    kept.ends_at = self->now() + deadline;
  start.queue = queue;
  start.sink = endpoint;
  start.proof = std::move(request.proof);
  const auto wire = start.machine->wire();
  const auto spawned = self->spawn<caf::monitored>(stream, std::move(start));
  note_move(request.tuple.remote.address);
  peer = request.tuple.remote;
  if (auto* before = current_at(index)) {
    before->current = false;
    self->send(before->stream, supersede_stream{});
  }
  const auto place = std::find_if(streams.begin(), streams.end(),
                                  [index](const member& m) { return m.index > index; });
  streams.insert(place, member{as<stream_actor>(spawned), spawned.id(), latest, request.tuple,
                               self->now(), wire, index});
  streamless_since.reset();
  self->arm(std::nullopt);
  announce();
}

void server_session_state::note_move(const protocol::ip_address& address) {
  const bool first = peer.port == 0;
  if (first || peer.address == address || legacy ||
      std::any_of(streams.begin(), streams.end(),
                  [&](const member& m) { return m.tuple.remote.address == address; }))
    return;
  where->stats.add(counter::sessions_moved);
  log_info("session of ", peer, ": its client now comes from ", address);
}

bool server_session_state::has_current() const {
  return std::any_of(streams.begin(), streams.end(), [](const member& m) { return m.current; });
}

bool server_session_state::is_idle() const {
  return !closing && std::all_of(streams.begin(), streams.end(),
                                 [](const member& m) { return m.idle || !m.current; });
}

void server_session_state::end_in_turn() {
  const auto turn = where->endings.next(self->now());
  if (turn > self->now())
    self->arm(turn);
  else
    close(false);
}

server_session_state::member* server_session_state::current_at(std::size_t index) {
  for (auto& m : streams)
    if (m.current && m.index == index) return &m;
  return nullptr;
}

void server_session_state::on_event(const protocol::stream_report& event) {
  using kind = protocol::stream_report::kind;
  const auto found = std::find_if(streams.begin(), streams.end(), [&](const member& m) {
    return m.current && m.number == event.stream;
  });
  if (found == streams.end()) return; // of a stream that was replaced
  switch (event.what) {
  case kind::idle:
    found->idle = true;
    if (is_idle()) end_in_turn();
    break;
  case kind::active: found->idle = false; break;
  case kind::ended:
    found->current = false;
    announce();
    if (event.why == protocol::end_reason::closed_by_peer && !has_current())
      close(false);
    else
      note_streamless();
    break;
  case kind::too_large:
    if (!std::exchange(told_too_large, true))
      log_warn("session of ", found->tuple.remote, ": a datagram of ", event.size,
               " octets does not fit and was dropped; the largest that does has ", event.limit);
    break;
  case kind::sink_wanted: open_upstreams(); break;
  case kind::silent:
  case kind::worn:
  case kind::recovered:
    found->silent = event.what == kind::silent;
    announce();
    break;
  case kind::opened:
  case kind::greeted:
  case kind::aging:
  case kind::try_new_port:
  case kind::unscaled:
  case kind::legacy: break; // the client's to act on
  }
  finish_if_done();
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
  const auto found = std::find_if(streams.begin(), streams.end(),
                                  [child](const member& m) { return m.id == child; });
  if (found == streams.end()) return;
  const bool fault = found->current; // the client will bring another
  streams.erase(found);
  if (fault) announce();
  note_streamless();
  finish_if_done();
}

void server_session_state::note_streamless() {
  if (closing || streamless_since) return;
  if (has_current()) { // the one that was not idle may be gone
    if (is_idle()) end_in_turn();
    return;
  }
  if (legacy) return close(false);
  streamless_since = self->now();
  self->arm(self->now() + tunnel->idle_timeout);
}

void server_session_state::on_timer() {
  if (streamless_since || is_idle()) close(false);
}

void server_session_state::probe() {
  for (const auto& m : streams)
    if (m.current) self->send(m.stream, probe_stream{});
}

void server_session_state::close(bool at_exit) {
  closing = true;
  group.reset();
  for (const auto& m : streams) // at exit those too that drain, or wait for late segments
    if (m.current || at_exit) self->send(m.stream, close_stream{at_exit});
  // The older dialects close by RST, after which nothing is read.
  if (legacy) release_upstream();
  finish_if_done();
}

void server_session_state::displace() {
  if (closing) return;
  // By FIN, so that its client does not come back at once; but nothing is to stay and answer late
  // segments, or that would fill the places of streams.
  close(true);
  release_upstream();
}

/// No socket, and no other peer, waits for the late segments of what has ended.
void server_session_state::release_upstream() {
  if (std::exchange(released, true)) return;
  self->send(as<shard_supervisor_actor>(supervisor), session_closing{self->id()});
  sockets.clear();
  if (endpoint)
    self->send(as<udp_endpoint_actor>(std::exchange(endpoint, nullptr)), close_session{});
}

void server_session_state::tell_status(const ask_status& question) const {
  const auto now = self->now();
  const auto* state = closing ? "closing" : has_current() ? "open" : "waiting";
  session_status answer{question.question, self->id(), where->index, tunnel->name, peer, state,
                        now - born,        {}};
  for (const auto& m : streams)
    if (m.current)
      answer.streams.push_back({m.tuple,
                                closing    ? "closing"
                                : m.silent ? "silent"
                                : m.idle   ? "idle"
                                           : "open",
                                m.wire, now - m.since});
  self->send(as<status_actor>(question.answer_to), std::move(answer));
}

void server_session_state::announce() {
  if (!endpoint) return;
  streams_changed now;
  // What falls silent alone is left out; all of them may only have a client that is.
  for (const bool silent : {false, true}) {
    if (!now.streams.empty()) break;
    for (const auto& m : streams)
      if (m.current && m.silent == silent)
        now.streams.push_back(caf::actor_cast<caf::actor>(m.stream));
  }
  self->send(as<udp_endpoint_actor>(endpoint), std::move(now));
}

void server_session_state::finish_if_done() {
  if (!closing) return;
  if (!has_current()) release_upstream();
  if (streams.empty()) self->quit();
}

} // namespace tonel::actors
