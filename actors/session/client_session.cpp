#include "actors/session/client_session.hpp"

#include "actors/messages/stream_orders.hpp"
#include "actors/path/stream.hpp"
#include "actors/runtime/behavior_of.hpp"
#include "actors/runtime/log.hpp"
#include "actors/supervision/restart.hpp"
#include "protocol/isn.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>
#include <variant>

namespace tonel::actors {

namespace p = protocol;

namespace {

std::optional<p::profile> profile_of(wire_choice choice) {
  switch (choice) {
  case wire_choice::native: return p::profile::native;
  case wire_choice::tonel: return p::profile::tonel;
  case wire_choice::phantun: return p::profile::phantun;
  case wire_choice::automatic: break;
  }
  return std::nullopt;
}

const char* program_of(p::profile wire) {
  return wire == p::profile::phantun ? "phantun" : "tonel 0.6.1";
}

} // namespace

template <class Call> void client_session_state::step(const Call& call) {
  run(call(*machine, self->now()));
  note_carrying(machine->carries());
  if (debug_enabled()) log_standing(title(), stood, machine->state());
  self->arm(machine->deadline());
}

caf::behavior client_session(pinned<client_session_state>* self,
                             const client_session_start& start) {
  self->state.start(start);
  self->set_down_handler([self](const caf::down_msg& down) { self->state.on_down(down); });
  static const auto step = [](const auto& call) {
    state_of_handler<client_session_state>().step(call);
  };
  static const auto of_all = behavior_of<client_session_actor, own<timer_event>>(
      [](const p::stream_report& report) {
        state_of_handler<client_session_state>().on_report(report);
      },
      [](timer_event) { step([](auto& machine, auto now) { return machine.on_timer(now); }); },
      [](stream_wanted) { step([](auto& machine, auto now) { return machine.want(now); }); },
      [](const remote_resolved& r) { state_of_handler<client_session_state>().resolved(r); },
      [](const remote_answers&) {
        step([](auto& machine, auto now) { return machine.remote_answers(now); });
      },
      [](const ways_changed&) { state_of_handler<client_session_state>().readdress(); },
      [](const queue_changed& changed) {
        state_of_handler<client_session_state>().set_queue(changed);
      },
      [](const listener_changed& changed) {
        state_of_handler<client_session_state>().set_listener(changed);
      },
      [](probe_stream) { step([](auto& machine, auto now) { return machine.probe(now); }); },
      [](const ask_status& question) {
        state_of_handler<client_session_state>().tell_status(question);
      },
      [](const close_session& how) { state_of_handler<client_session_state>().close(how); });
  return of_all;
}

client_session_state::~client_session_state() {
  for (const auto& c : streams)
    self->send_exit(c.stream, caf::exit_reason::user_shutdown);
  note_carrying(false);
}

void client_session_state::note_carrying(bool now_does) {
  if (std::exchange(carrying, now_does) != now_does) given.health->carries(now_does);
}

void client_session_state::start(const client_session_start& s) {
  given = s;
  born = given.use->last = self->now();
  const auto& tunnel = *given.tunnel;
  const p::client_session_config config{tunnel.streams, profile_of(tunnel.wire),
                                        tunnel.idle_timeout, tunnel.deadline,
                                        tunnel.cipher ? tunnel.cipher->mark() : 0};
  memory_key = session_memory::key_of(tunnel, given.path);
  machine.emplace(config, static_cast<p::client_resources&>(*this));
  step([&](auto& session, auto now) { return session.start(preferred(given.remotes), now); });
}

void client_session_state::on_report(const p::stream_report& report) {
  if (debug_enabled()) log_report(title(), report);
  step([&](auto& session, auto now) { return session.on_report(report, now); });
  if (report.what == p::stream_report::kind::greeted) remember(report.stream);
}

void client_session_state::remember(p::stream_number greeted) {
  const auto claim = machine->claim();
  const auto* of = find(greeted);
  if (!claim || of == nullptr) return;
  home.reset();
  given.where->process.memory->keep(memory_key, {*claim, of->tuple.remote});
}

std::vector<p::endpoint> client_session_state::preferred(std::vector<p::endpoint> remotes) const {
  const auto known = home ? std::find(remotes.begin(), remotes.end(), *home) : remotes.end();
  if (known != remotes.end()) std::rotate(remotes.begin(), known, known + 1);
  return remotes;
}

void client_session_state::resolved(const remote_resolved& found) {
  step([&](auto& session, auto now) { return session.resolved(preferred(found.addresses), now); });
}

void client_session_state::readdress() {
  const auto& direct = given.where->process.direct;
  std::vector<p::stream_number> left;
  for (const auto& c : streams) {
    const auto source = direct->source_to(c.tuple.remote.address);
    // Without a route they stay: it may come back as it was.
    if (source && *source && *source != c.tuple.local.address) left.push_back(c.number);
  }
  step([&](auto& session, auto now) { return session.readdressed(left, now); });
}

void client_session_state::close(const close_session& how) {
  leaving = how.at_exit && !how.displaced && given.where->process.memory->is_kept() &&
            machine->claim().has_value();
  step([&](auto& session, auto now) {
    return leaving ? session.leave(now) : session.close(how.at_exit || how.displaced, now);
  });
}

void client_session_state::on_down(const caf::down_msg& down) {
  const auto found = std::find_if(streams.begin(), streams.end(),
                                  [&](const child& c) { return c.id == down.source.id(); });
  if (found == streams.end()) return;
  const auto number = found->number;
  streams.erase(found);
  step([number](auto& session, auto now) { return session.on_gone(number, now); });
}

void client_session_state::set_queue(const queue_changed& changed) {
  given.queue = changed.queue;
  for (const auto& c : streams)
    self->send(c.stream, changed);
}

/// The application's session goes on with the listener that has taken the other's place.
void client_session_state::set_listener(const listener_changed& changed) {
  given.listener = changed.listener;
  for (const auto& c : streams)
    self->send(c.stream, sink_changed{changed.listener});
  if (!given.place) return; // it takes nothing new
  self->send(as<udp_listener_actor>(given.listener),
             session_changed{given.path, caf::actor_cast<caf::actor>(self), 0, given.place});
  announce(announced);
}

bool client_session_state::may_race(p::time_point now) {
  return given.where->ports.has_plenty() && given.where->rivals.take(now);
}

p::session_claims client_session_state::draw_claims() {
  if (!std::exchange(looked_back, true))
    if (const auto known = given.where->process.memory->take(memory_key)) {
      home = known->at;
      return p::session_claims{known->claim};
    }
  p::session_id id;
  p::session_secret secret;
  given.where->process.random(id);
  given.where->process.random(secret);
  return {id, secret};
}

const client_session_state::child* client_session_state::find(p::stream_number number) const {
  const auto found = std::find_if(streams.begin(), streams.end(),
                                  [number](const child& c) { return c.number == number; });
  return found == streams.end() ? nullptr : &*found;
}

void client_session_state::run(const p::client_effects& effects) {
  for (const auto& e : effects)
    std::visit(
        overloaded{
            [&](const p::open_stream& how) { open(how); },
            [&](const p::tell_stream& order) {
              const auto* to = find(order.stream);
              if (to == nullptr) return;
              if (order.what == p::stream_order::supersede) rotated(*to);
              send_order(self, to->stream, order.what);
            },
            [&](const p::announce_streams& now) {
              announced = now;
              announce(now);
            },
            [&](const p::count_refused&) { given.where->stats.add(counter::session_refused); },
            [&](const p::session_remark& what) { log(what); },
            [&](const p::address_tried& what) {
              self->send(as<shard_supervisor_actor>(given.supervisor),
                         remote_tried{given.tunnel, what.at, what.answered});
            },
            [&](const p::retire_session& end) {
              closed(p::to_string(end.why));
              given.place.reset();
              if (!leaving) given.where->process.memory->forget(memory_key, machine->id());
              self->send(as<udp_listener_actor>(given.listener),
                         session_changed{given.path, caf::actor{}, self->id()});
            },
            [&](const p::opening_failed& failure) {
              given.where->stats.add(counter::openings_failed);
              given.health->failed(*given.tunnel, failure.what, self->now());
            },
            [&](const p::opening_worked&) { opened(); },
            [&](const p::reply_came&) { given.health->replied(*given.tunnel, self->now()); },
            [&](const p::session_failed&) {
              closed("by a fault of this program");
              self->quit(make_error(ec::restart_limit));
            },
            [&](const p::session_finished&) { self->quit(); },
        },
        e);
}

void client_session_state::open(const p::open_stream& how) {
  const auto& context = given.where->process;
  const auto& tun = context.settings.tun;
  stream_start start;
  start.queue = given.queue;
  start.sink = given.listener;
  auto& kept = start.context;
  kept.where = given.where;
  kept.tunnel = given.tunnel;
  kept.side = role::client;
  kept.number = how.stream;
  kept.session = caf::actor_cast<caf::actor>(self);
  kept.used = given.use;
  kept.of_client = std::make_shared<client_stream_context>(
      client_stream_context{given.path, how.ages_at, how.race, how.port});
  auto config = how.config;
  if (!config.tuple.local.address)
    config.tuple.local.address = config.tuple.remote.address.is_v4() ? tun.peer4 : tun.peer6;
  config.iss = p::client_isn(context.cookie_secret, config.tuple, self->now());
  config.ip_id = given.where->random<std::uint16_t>();
  config.mtu = tun.mtu;
  config.challenge_limit = &given.where->challenges;
  config.seed = given.where->random<std::uint64_t>();
  config.keepalive = context.settings.keepalive;
  config.handshake_packet = given.tunnel->handshake_packet;
  start.machine = p::stream::connect(config);
  const auto spawned = self->spawn<caf::monitored>(stream, std::move(start));
  streams.push_back({how.stream, as<stream_actor>(spawned), spawned.id(), config.tuple});
}

void client_session_state::rotated(const child& before) {
  // Of those in use the youngest is the one that has come.
  const child* after = nullptr;
  for (const auto& s : machine->streams()) {
    const auto* of = s.is == p::standing::opening ? nullptr : find(s.stream);
    if (of != nullptr && (!after || of->number > after->number)) after = of;
  }
  if (life_told && after != nullptr)
    log_rotated(*given.where, title(), before.tuple.local, after->tuple.local);
}

void client_session_state::opened() {
  counted.opened(given.where->stats);
  const auto in_use = machine->streams();
  const auto* of = in_use.empty() ? nullptr : find(in_use.front().stream);
  if (of != nullptr && !std::exchange(opening_told, true)) {
    legacy = in_use.front().wire != p::profile::native;
    life_told = log_opened(*given.where, title(), in_use.front().wire, of->tuple.remote);
  }
  if (given.health->opened(*given.tunnel, self->now()))
    self->send(as<shard_supervisor_actor>(given.supervisor), remote_answers{given.tunnel, true});
}

void client_session_state::announce(const p::announce_streams& now) {
  streams_changed told{given.path, self->id(), {}, now.room, now.older};
  for (const auto number : now.streams)
    if (const auto* of = find(number))
      told.streams.push_back(caf::actor_cast<caf::actor>(of->stream));
  self->send(as<udp_listener_actor>(given.listener), std::move(told));
}

void client_session_state::log(const p::session_remark& what) const {
  using kind = p::session_remark::kind;
  const auto& remote = what.remote;
  switch (what.what) {
  case kind::too_large: log_too_large(title(), what.size, what.limit); break;
  case kind::window_unscaled:
    log_warn("something on the path to ", remote,
             " takes TCP's window scale out of the handshake: a connection can have no more than "
             "60,000 octets under way, and drops what exceeds that; more connections "
             "(--tcp-connections) carry more");
    break;
  case kind::older_server:
    log_info("the server at ", remote, " speaks the dialect of ", program_of(what.wire));
    break;
  case kind::no_groups:
    log_warn("the server at ", remote,
             " knows no groups of connections: each session has one, not ", what.size);
    break;
  case kind::moved: break; // said by servers only
  }
}

void client_session_state::closed(const char* why) {
  if (std::exchange(life_told, false)) log_closed(title(), why, *given.use, self->now() - born);
}

session_title client_session_state::title() const {
  return {*given.tunnel, legacy ? p::session_id{} : machine->id(), given.path.peer};
}

void client_session_state::tell_status(const ask_status& question) const {
  const auto now = self->now();
  session_status answer;
  answer.question = question.question;
  answer.session = self->id();
  if (const auto id = title().id; id != p::session_id{}) answer.id = p::short_name(id);
  answer.shard = given.where->index;
  answer.tunnel = given.tunnel->name;
  answer.peer = given.path.peer;
  answer.state = p::to_string(machine->state());
  answer.age = now - born;
  for (const auto& s : machine->streams())
    if (const auto* of = find(s.stream))
      answer.streams.push_back({of->tuple, p::to_string(s.is), s.wire, now - s.since});
  self->send(as<control_actor>(question.answer_to), std::move(answer));
}

} // namespace tonel::actors
