#include "actors/session/server_session.hpp"

#include "actors/messages/stream_orders.hpp"
#include "actors/path/stream.hpp"
#include "actors/path/udp_endpoint.hpp"
#include "actors/runtime/behavior_of.hpp"
#include "actors/runtime/log.hpp"
#include "actors/supervision/restart.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>
#include <variant>

namespace tonel::actors {

namespace p = protocol;

template <class Call> void server_session_state::step(const Call& call, adopt_stream* request) {
  run(call(*machine, self->now()), request);
  if (debug_enabled()) log_standing(title(), stood, machine->state());
  self->arm(machine->deadline());
}

caf::behavior server_session(pinned<server_session_state>* self,
                             const server_session_start& start) {
  self->state.start(start);
  self->set_down_handler([self](const caf::down_msg& down) { self->state.on_down(down); });
  static const auto state = []() -> server_session_state& {
    return state_of_handler<server_session_state>();
  };
  static const auto of_all = behavior_of<server_session_actor, own<timer_event>>(
      [](adopt_stream& request) { state().adopt(request); },
      [](const remote_resolved& found) { state().resolved(found); },
      [](const upstream_tried& what) { state().tried(what); },
      [](const p::stream_report& report) { state().on_report(report); },
      [](timer_event) {
        state().step([](auto& machine, auto now) { return machine.on_timer(now); });
      },
      [](probe_stream) { state().step([](auto& machine, auto) { return machine.probe(); }); },
      [](const queue_changed& changed) { state().set_queue(changed); },
      [](const ask_status& question) { state().tell_status(question); },
      [](const close_session& how) {
        state().step([&](auto& machine, auto) {
          return how.displaced ? machine.displace() : machine.close(how.at_exit);
        });
      });
  return of_all;
}

server_session_state::~server_session_state() {
  leave_estate();
  for (const auto& c : streams)
    self->send_exit(c.stream, caf::exit_reason::user_shutdown);
  if (endpoint) self->send_exit(endpoint, caf::exit_reason::user_shutdown);
}

void server_session_state::start(const server_session_start& s) {
  where = s.where;
  tunnel = s.tunnel;
  queue = s.queue;
  supervisor = s.supervisor;
  upstream = s.inherited.empty() ? s.upstreams.front() : s.inherited_from;
  sockets = s.inherited;
  has_others = s.upstreams.size() > 1;
  group = s.group;
  use = s.use;
  health = s.health;
  id = s.id;
  born = self->now();
  p::server_session_config config;
  config.idle_timeout = tunnel->idle_timeout;
  config.deadline = tunnel->deadline;
  config.endings = &where->endings;
  config.proof = s.proof;
  config.has_upstream = !sockets.empty();
  config.answers = s.answers;
  config.key_mark = tunnel->cipher ? tunnel->cipher->mark() : 0;
  config.legacy = s.group != nullptr;
  machine.emplace(std::move(config));
}

void server_session_state::adopt(adopt_stream& request) {
  const p::newcomer who{request.tuple, request.place != nullptr, request.first != nullptr};
  std::visit(
      [&](const auto& accepted) {
        step([&](auto& session, auto now) { return session.adopt(accepted, who, now); }, &request);
      },
      request.accepted);
}

void server_session_state::on_report(const p::stream_report& report) {
  if (debug_enabled()) log_report(title(), report);
  step([&](auto& session, auto now) { return session.on_report(report, now); });
}

void server_session_state::on_down(const caf::down_msg& down) {
  if (endpoint && endpoint.id() == down.source.id())
    return step([](auto& session, auto now) { return session.on_upstream_gone(now); });
  const auto found = std::find_if(streams.begin(), streams.end(), [&](const child& c) {
    return c.stream->id() == down.source.id();
  });
  if (found == streams.end()) return;
  const auto number = found->number;
  streams.erase(found);
  step([number](auto& session, auto now) { return session.on_gone(number, now); });
}

const server_session_state::child* server_session_state::find(p::stream_number number) const {
  const auto found = std::find_if(streams.begin(), streams.end(),
                                  [number](const child& c) { return c.number == number; });
  return found == streams.end() ? nullptr : &*found;
}

void server_session_state::run(const p::server_effects& effects, adopt_stream* request) {
  for (const auto& e : effects)
    std::visit(overloaded{
                   [&](const p::admit_stream& how) { admit(how, *request); },
                   [&](const p::give_stream& to) { give(to.stream, *request); },
                   [&](const p::refuse_stream&) {
                     self->send(as<tun_queue_actor>(request->queue),
                                stream_refused{request->tuple});
                   },
                   [&](const p::tell_stream& order) {
                     if (const auto* to = find(order.stream))
                       send_order(self, to->stream, order.what);
                   },
                   [&](const p::announce_streams& now) { announce(now); },
                   [&](const p::open_upstream&) { open_upstreams(); },
                   [&](const p::release_upstream&) { release_upstreams(); },
                   [&](const p::retire_session& end) {
                     closed(p::to_string(end.why));
                     group.reset();
                   },
                   [&](const p::count_refused&) { where->stats.add(counter::session_refused); },
                   [&](const p::count_drop& d) { where->stats.add(d.reason, d.datagrams); },
                   [&](const p::session_remark& what) { log(what); },
                   [&](const p::opening_failed& failure) {
                     health->remark(*tunnel, failure.what, self->now());
                   },
                   [&](const p::session_failed&) {
                     closed("by a fault of this program");
                     sockets.clear(); // they may be what fails
                     self->quit(make_error(ec::restart_limit));
                   },
                   [&](const p::session_finished&) { self->quit(); },
               },
               e);
}

void server_session_state::admit(const p::admit_stream& how, adopt_stream& request) {
  auto config = how.config;
  config.ip_id = where->random<std::uint16_t>();
  config.mtu = where->process.settings.tun.mtu;
  config.challenge_limit = &where->challenges;
  config.seed = where->random<std::uint64_t>();
  config.handshake_packet = tunnel->handshake_packet;
  config.cookie = &where->cookie;
  stream_start start;
  if (auto* native = std::get_if<p::accept_stream>(&request.accepted)) {
    start.machine = p::stream::accept(config, native->hello, native->client_iss, self->now());
    start.held = std::move(native->held);
  } else if (const auto* older = std::get_if<p::accept_legacy>(&request.accepted)) {
    start.machine = p::stream::accept_legacy(config, older->client_iss, self->now());
    start.context.first = std::move(request.first);
  }
  auto& kept = start.context;
  kept.where = where;
  kept.tunnel = tunnel;
  kept.side = role::server;
  kept.number = how.stream;
  kept.session = caf::actor_cast<caf::actor>(self);
  kept.place = std::move(request.place);
  kept.used = use;
  kept.ends_at = how.ends_at.value_or(p::time_point::max());
  start.queue = queue;
  start.sink = endpoint;
  start.proof = std::move(request.proof);
  const auto spawned = self->spawn<caf::monitored>(stream, std::move(start));
  streams.push_back({how.stream, as<stream_actor>(spawned)});
}

void server_session_state::give(p::stream_number number, adopt_stream& request) {
  const auto* to = find(number);
  if (to == nullptr) return;
  self->send(as<tun_queue_actor>(request.queue),
             stream_up{request.tuple, caf::actor_cast<caf::actor>(to->stream), false});
  from_device again;
  again.segments.push_back(std::move(request.proof));
  self->send(to->stream, std::move(again));
}

void server_session_state::open_upstreams() {
  const bool again = std::exchange(was_opened, true); // what served them has failed
  if (sockets.empty()) sockets = where->open_upstreams(*tunnel, upstream);
  if (sockets.empty()) {
    where->stats.add(counter::session_refused);
    return self->quit(); // the streams notice its end and reset themselves
  }
  counted.opened(where->stats);
  endpoint = self->spawn<caf::monitored>(
      udp_endpoint, udp_endpoint_start{where, sockets, tunnel, health,
                                       caf::actor_cast<caf::actor>(self), has_others});
  for (const auto& c : streams)
    self->send(c.stream, sink_changed{endpoint});
  const auto in_use = machine->streams();
  if (!again && !in_use.empty())
    life_told = log_opened(*where, title(), in_use.front().wire, upstream, upstream_ports());
}

void server_session_state::closed(const char* why) {
  if (std::exchange(life_told, false)) log_closed(title(), why, *use, self->now() - born);
}

/// Where it ends by a fault, its own or the shard's.
void server_session_state::leave_estate() {
  if (!machine || sockets.empty()) return;
  if (const auto proof = machine->proof())
    where->left.leave(id, {tunnel, *proof, std::move(sockets), upstream}, self->now());
}

std::vector<std::uint16_t> server_session_state::upstream_ports() const {
  std::vector<std::uint16_t> out;
  for (const auto& socket : sockets)
    out.push_back(socket->local_port());
  return out;
}

void server_session_state::resolved(const remote_resolved& found) {
  const auto& now = found.addresses;
  has_others = now.size() > 1;
  const bool gone = std::find(now.begin(), now.end(), upstream) == now.end();
  if (gone || (refused && !(upstream == now.front()))) move_upstream(now.front());
}

void server_session_state::set_queue(const queue_changed& changed) {
  queue = changed.queue;
  for (const auto& c : streams)
    self->send(c.stream, changed);
}

void server_session_state::tried(const upstream_tried& what) {
  refused = !what.answered;
  self->send(as<shard_supervisor_actor>(supervisor), remote_tried{tunnel, upstream, what.answered});
}

/// From other ports: where the upstream is another host, the way to it may begin at another address of
/// this one.
void server_session_state::move_upstream(const p::endpoint& to) {
  const auto before = std::exchange(upstream, to);
  refused = false;
  if (sockets.empty()) return; // none was needed so far
  auto there = where->open_upstreams(*tunnel, to);
  if (there.empty()) {
    upstream = before; // it may still answer there
    return;
  }
  sockets = std::move(there);
  self->send(as<udp_endpoint_actor>(std::exchange(endpoint, nullptr)), close_session{});
  step([](auto& session, auto) { return session.on_upstream_moved(); });
}

void server_session_state::release_upstreams() {
  self->send(as<shard_supervisor_actor>(supervisor), session_closing{self->id()});
  sockets.clear();
  if (endpoint)
    self->send(as<udp_endpoint_actor>(std::exchange(endpoint, nullptr)), close_session{});
}

void server_session_state::announce(const p::announce_streams& now) {
  if (!endpoint) return;
  streams_changed told;
  for (const auto number : now.streams)
    if (const auto* of = find(number))
      told.streams.push_back(caf::actor_cast<caf::actor>(of->stream));
  self->send(as<udp_endpoint_actor>(endpoint), std::move(told));
}

void server_session_state::log(const p::session_remark& what) const {
  if (what.what == p::session_remark::kind::moved) {
    where->stats.add(counter::sessions_moved);
    log_info("session of ", what.remote, ": its client now comes from ", what.now_from);
  } else if (what.what == p::session_remark::kind::too_large) {
    log_too_large(title(), what.size, what.limit);
  }
}

void server_session_state::tell_status(const ask_status& question) const {
  const auto now = self->now();
  session_status answer;
  answer.question = question.question;
  answer.session = self->id();
  if (id != p::session_id{}) answer.id = p::short_name(id);
  answer.shard = where->index;
  answer.tunnel = tunnel->name;
  answer.peer = machine->peer();
  answer.state = p::to_string(machine->state());
  answer.age = now - born;
  answer.upstream_ports = upstream_ports();
  for (const auto& s : machine->streams())
    answer.streams.push_back(
        {*machine->tuple_of(s.stream), p::to_string(s.is), s.wire, now - s.since});
  self->send(as<control_actor>(question.answer_to), std::move(answer));
}

} // namespace tonel::actors
