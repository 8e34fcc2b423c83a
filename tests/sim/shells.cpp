#include "tests/sim/shells.hpp"

#include "protocol/wire.hpp"

#include <algorithm>
#include <variant>

namespace tonel::sim {

using namespace protocol;

segment_repr as_received(const packet& p) {
  segment_repr in;
  in.tuple = {p.header.tuple.remote, p.header.tuple.local};
  in.seq = p.header.seq;
  in.ack = p.header.ack;
  in.window = p.header.window;
  in.flags = p.header.flags;
  if (in.has(flag::syn)) {
    in.window_scale = 14;
    in.sack_permitted = p.header.mss != 0;
    in.mss = p.header.mss;
  }
  in.payload_length = in.datagram_size = static_cast<std::uint32_t>(p.payload.size());
  return in;
}

stream_shell::entry& stream_shell::add(stream machine, std::uint16_t port, session_key session,
                                       stream_number number) {
  auto made = std::make_unique<entry>(std::move(machine));
  made->port = port;
  made->session = session;
  made->number = number;
  return *(streams_[port] = std::move(made));
}

stream_shell::entry* stream_shell::find(session_key session, stream_number number) const {
  for (const auto& [port, e] : streams_)
    if (e->session == session && e->number == number) return e.get();
  return nullptr;
}

std::size_t stream_shell::open_streams() const {
  return static_cast<std::size_t>(std::count_if(
      streams_.begin(), streams_.end(), [](const auto& s) { return s.second->machine.is_open(); }));
}

std::shared_ptr<const datagram> stream_shell::packet_to_send() const {
  if (handshake_packet.empty()) return nullptr;
  return std::make_shared<datagram>(handshake_packet);
}

void stream_shell::receive(const segment_repr& in, byte_view payload, time_point now) {
  const auto found = streams_.find(client_ ? in.tuple.local.port : in.tuple.remote.port);
  if (found == streams_.end() || !(found->second->machine.tuple() == in.tuple))
    on_stray(in, payload, now);
  else
    give(*found->second, in, payload, now);
  settle(now);
}

void stream_shell::give(entry& e, const segment_repr& in, byte_view payload, time_point now) {
  if (e.race && e.race->winner != 0) return run(e, e.machine.reset(now), nullptr, {}, now);
  run(e, e.machine.on_segment(in, payload, now), &in, payload, now);
}

void stream_shell::run(entry& e, const effects& list, const segment_repr* in, byte_view payload,
                       time_point now) {
  for (const auto& what : list) {
    if (const auto* s = std::get_if<send_segment>(&what)) {
      net_.send(client_, s->header, s->payload, static_cast<std::uint32_t>(s->payload.size()), now);
    } else if (const auto* d = std::get_if<protocol::deliver>(&what)) {
      deliver(e, payload.subview(d->offset, d->length), in->datagram_size, now);
    } else if (std::get_if<hold_segment>(&what)) {
      e.held.push_back({*in, {payload.begin(), payload.end()}});
    } else if (std::get_if<replay_held>(&what)) {
      for (const auto& h : std::exchange(e.held, {}))
        give(e, h.segment, h.payload, now);
    } else if (const auto* c = std::get_if<count_drop>(&what)) {
      drops_[static_cast<std::size_t>(c->reason)] += c->datagrams;
    } else if (std::get_if<forgotten>(&what)) {
      e.forgotten = true;
    } else if (std::get_if<opened>(&what)) {
      if (const auto race = std::exchange(e.race, nullptr)) race->winner = e.number;
    } else if (std::get_if<ended>(&what) || std::get_if<peer_is_legacy>(&what)) {
      e.ended = true;
    }
    if (const auto told = report_of(what, e.number, e.machine, now))
      reports_.emplace_back(e.session, *told);
  }
}

void stream_shell::report(const entry& e, stream_report::kind what, time_point now) {
  reports_.emplace_back(e.session, make_report(what, e.number, e.machine, now));
}

void stream_shell::settle(time_point now) {
  for (;;) {
    if (!reports_.empty()) {
      const auto [session, told] = reports_.front();
      reports_.pop_front();
      on_report(session, told, now);
      continue;
    }
    const auto over = std::find_if(streams_.begin(), streams_.end(),
                                   [](const auto& s) { return s.second->forgotten; });
    if (over == streams_.end()) return;
    const auto gone = std::move(over->second);
    streams_.erase(over);
    on_gone(gone->session, gone->number, now);
  }
}

void stream_shell::tell(session_key session, const tell_stream& order, time_point now) {
  auto* e = find(session, order.stream);
  if (e == nullptr) return;
  switch (order.what) {
  case stream_order::close: return run(*e, e->machine.close(now, false), nullptr, {}, now);
  case stream_order::close_at_exit:
    // The process does not wait for late segments of what has ended.
    e->forgotten = e->forgotten || e->ended;
    return run(*e, e->machine.close(now, true), nullptr, {}, now);
  case stream_order::reset: return run(*e, e->machine.reset(now), nullptr, {}, now);
  case stream_order::supersede: return run(*e, e->machine.supersede(now), nullptr, {}, now);
  case stream_order::probe: return run(*e, e->machine.on_resume(now), nullptr, {}, now);
  }
}

std::uint32_t stream_shell::send(entry& e, byte_view payload, std::uint32_t size,
                                 std::uint32_t count, time_point now) {
  const auto admitted = e.machine.admit(size, count, now);
  drops_[static_cast<std::size_t>(errc::window_closed)] += count - admitted;
  // Zero-length datagrams are runs of one.
  const auto each = size == 0 ? 1 : admitted;
  for (std::uint32_t done = 0; done < admitted; done += each) {
    const auto length = size * each;
    const auto header = e.machine.data_header(length, each, done + each == admitted, now);
    net_.send(client_, header, payload.subview(0, length), size, now);
  }
  return admitted;
}

void stream_shell::refuse(const segment_repr& in, time_point now) {
  net_.send(client_, answer_to(in, in.ack, in.end(), flag::rst | flag::ack), {}, 0, now);
}

void stream_shell::on_timer(time_point now) {
  std::vector<std::uint16_t> due;
  for (const auto& [port, e] : streams_) {
    const auto at = e->machine.deadline();
    if ((at && *at <= now) || (e->ages_at && *e->ages_at <= now) ||
        (e->ends_at && *e->ends_at <= now))
      due.push_back(port);
  }
  for (const auto port : due) {
    const auto found = streams_.find(port);
    if (found == streams_.end()) continue;
    auto& e = *found->second;
    if (e.ages_at && *e.ages_at <= now) {
      e.ages_at.reset();
      if (!e.ended) report(e, stream_report::kind::aging, now);
    }
    if (e.ends_at && *e.ends_at <= now) {
      e.ends_at.reset();
      if (!e.ended) run(e, e.machine.reset(now), nullptr, {}, now);
    }
    run(e, e.machine.on_timer(now), nullptr, {}, now);
  }
  settle(now);
}

std::optional<time_point> stream_shell::deadline() const {
  std::optional<time_point> out;
  for (const auto& [port, e] : streams_)
    for (const auto& at : {e->machine.deadline(), e->ages_at, e->ends_at})
      if (at && (!out || *at < *out)) out = at;
  return out;
}

client_shell::client_shell(network& net, std::uint64_t seed, const client_session_config& config,
                           const endpoint& us, const endpoint& them)
    : stream_shell(true, net, seed), config_(config), us_(us), next_port_(us.port) {
  them_.resolved({them}, time_point{});
}

void client_shell::start(time_point now) {
  current_ = ++sessions_made_;
  note_use(now);
  announced_.clear();
  auto& made = sessions_[current_];
  made = std::make_unique<client_session>(config_, static_cast<client_resources&>(*this));
  run_effects(current_, made->start(them_.in_order(), now), now);
}

void client_shell::run_effects(session_key of, const client_effects& list, time_point now) {
  for (const auto& e : list) {
    if (const auto* how = std::get_if<open_stream>(&e)) {
      open(of, *how, now);
    } else if (const auto* order = std::get_if<tell_stream>(&e)) {
      tell(of, *order, now);
    } else if (const auto* told = std::get_if<announce_streams>(&e)) {
      if (of != current_) continue;
      announced_ = told->streams;
      room_ = told->room;
      if (!announced_.empty()) flush(now);
    } else if (const auto* said = std::get_if<session_remark>(&e)) {
      remarks_.push_back(*said);
    } else if (const auto* news = std::get_if<address_tried>(&e)) {
      if (news->answered)
        them_.answered(news->at, now);
      else
        them_.failed(news->at, now);
    } else if (std::get_if<retire_session>(&e) != nullptr) {
      if (of != current_) continue;
      current_ = 0;
      announced_.clear();
    } else if (std::get_if<session_finished>(&e) != nullptr) {
      sessions_.erase(of);
      return;
    }
  }
}

void client_shell::open(session_key of, const open_stream& how, time_point now) {
  ++attempts_;
  auto config = how.config;
  config.tuple.local.address = us_.address;
  config.iss = native_isn(static_cast<std::uint32_t>(random_()));
  config.ip_id = static_cast<std::uint16_t>(random_());
  config.seed = random_();
  config.handshake_packet = packet_to_send();
  auto& e = add(stream::connect(config), *how.port, of, how.stream);
  e.lease = how.port;
  e.race = how.race;
  e.ages_at = how.ages_at;
  run(e, e.machine.open(now), nullptr, {}, now);
}

stream_shell::entry* client_shell::stream_for_sending(time_point now) {
  if (current_ == 0) start(now);
  while (!announced_.empty()) {
    if (auto* e = find(current_, announced_[turn_++ % announced_.size()])) return e;
    announced_.clear(); // it has just gone; the session will say so
  }
  run_effects(current_, sessions_.at(current_)->want(now), now);
  return nullptr;
}

void client_shell::on_stray(const segment_repr& in, byte_view payload, time_point now) {
  const auto answer = acceptor_.on_stray(in, payload, now);
  if (const auto* reply = std::get_if<reply_stray>(&answer))
    net_.send(true, reply->header, {}, 0, now);
}

void client_shell::on_report(session_key session, const stream_report& told, time_point now) {
  if (told.what == stream_report::kind::opened) ++handshakes_;
  if (told.what == stream_report::kind::greeted) ++greetings_;
  const auto of = sessions_.find(session);
  if (of != sessions_.end()) run_effects(session, of->second->on_report(told, now), now);
}

void client_shell::on_gone(session_key session, stream_number stream, time_point now) {
  const auto of = sessions_.find(session);
  if (of != sessions_.end()) run_effects(session, of->second->on_gone(stream, now), now);
}

void client_shell::on_timer(time_point now) {
  stream_shell::on_timer(now);
  std::vector<session_key> due;
  for (const auto& [key, machine] : sessions_)
    if (machine->deadline() && *machine->deadline() <= now) due.push_back(key);
  for (const auto key : due)
    run_effects(key, sessions_.at(key)->on_timer(now), now);
  settle(now);
  if (!them_.on_timer(now)) return;
  if (name_server)
    resolve(name_server(), now);
  else
    them_.unresolved(now);
}

std::optional<time_point> client_shell::deadline() const {
  auto out = stream_shell::deadline();
  if (const auto at = them_.deadline(); at && (!out || *at < *out)) out = at;
  for (const auto& [key, machine] : sessions_)
    if (const auto at = machine->deadline(); at && (!out || *at < *out)) out = at;
  return out;
}

void client_shell::connect(time_point now) {
  if (current_ == 0) start(now);
  settle(now);
}

void client_shell::close(time_point now) {
  if (current_ != 0) run_effects(current_, sessions_.at(current_)->close(false, now), now);
  settle(now);
}

void client_shell::resolve(const std::vector<endpoint>& found, time_point now) {
  if (them_.resolved(found, now) != remote_addresses::change::addresses) return;
  std::vector<session_key> all;
  for (const auto& [key, machine] : sessions_)
    all.push_back(key);
  for (const auto key : all)
    run_effects(key, sessions_.at(key)->resolved(them_.in_order(), now), now);
  settle(now);
}

bool client_shell::alive() const {
  return std::any_of(announced_.begin(), announced_.end(), [this](stream_number n) {
    const auto* e = find(current_, n);
    return e != nullptr && e->machine.is_open();
  });
}

std::uint16_t client_shell::current_port() const {
  const auto* e = announced_.empty() ? nullptr : find(current_, announced_.front());
  return e != nullptr ? e->port : std::uint16_t{0};
}

profile client_shell::wire() const {
  const auto* e = announced_.empty() ? nullptr : find(current_, announced_.front());
  return e != nullptr ? e->machine.wire() : profile::native;
}

local_end client_shell::take_local_end(const endpoint&) {
  while (streams_.count(next_port_) != 0)
    ++next_port_;
  return {std::make_shared<const std::uint16_t>(next_port_++), {}};
}

session_claims client_shell::draw_claims() {
  session_id id;
  session_secret secret;
  for (auto& octet : id)
    octet = static_cast<std::uint8_t>(random_());
  for (auto& octet : secret)
    octet = static_cast<std::uint8_t>(random_());
  return {id, secret};
}

server_shell::server_shell(network& net, std::uint64_t seed, std::uint16_t port, bool legacy)
    : stream_shell(false, net, seed), port_(port), legacy_(legacy) {
  start();
}

void server_shell::start() {
  acceptor_config config;
  for (auto& octet : config.secret)
    octet = static_cast<std::uint8_t>(random_());
  groups_.emplace(address_hash{random_()}, 1'000);
  if (!refusing_) config.ports[port_] = {true, legacy_, legacy_ ? &*groups_ : nullptr};
  cookie_.emplace(config.secret);
  acceptor_.emplace(config);
}

void server_shell::restart() {
  streams_.clear();
  sessions_.clear();
  reports_.clear();
  start();
}

void server_shell::set_refusing(bool on) {
  refusing_ = on;
  restart();
}

session_key server_shell::session_of(const accept_stream& made) {
  for (const auto& [key, s] : sessions_)
    if (!s->answers && s->id == made.hello.session) return key;
  if (!made.hello.introduces) {
    ++drops_[static_cast<std::size_t>(errc::no_session)];
    return 0;
  }
  server_session_config config;
  config.endings = &turns_;
  config.idle_timeout = idle_timeout;
  config.proof.emplace(made.hello);
  auto& s = sessions_[++latest_];
  s = std::make_unique<session>(std::move(config));
  s->id = made.hello.session;
  return latest_;
}

session_key server_shell::session_of(const segment_repr& in, const accept_legacy& made) {
  const auto& address = in.tuple.remote.address;
  if (made.join != 0) {
    const auto group = groups_->find(address, made.join);
    return group ? group->owner : 0;
  }
  auto answers = std::make_shared<answer_limit>();
  const auto token = token_in(made.iss);
  if (!groups_->add(address, {token, in.tuple.remote.port, latest_ + 1, answers})) return 0;
  server_session_config config;
  config.endings = &turns_;
  config.idle_timeout = idle_timeout;
  config.legacy = true;
  config.answers = answers;
  auto& s = sessions_[++latest_];
  s = std::make_unique<session>(std::move(config));
  s->answers = answers;
  s->token = token;
  s->address = address;
  return latest_;
}

void server_shell::on_stray(const segment_repr& in, byte_view payload, time_point now) {
  const auto answer = acceptor_->on_stray(in, payload, now);
  request about{in, payload};
  if (const auto* reply = std::get_if<reply_stray>(&answer)) {
    net_.send(false, reply->header, {}, 0, now);
  } else if (const auto* ignored = std::get_if<ignore_stray>(&answer)) {
    if (ignored->reason) ++drops_[static_cast<std::size_t>(*ignored->reason)];
  } else if ((about.native = std::get_if<accept_stream>(&answer)) != nullptr) {
    const auto of = session_of(*about.native);
    if (of == 0) return refuse(in, now);
    auto& machine = sessions_.at(of)->machine;
    run_effects(of, machine.adopt(*about.native, {in.tuple, true, false}, now), now, &about);
  } else if ((about.older = std::get_if<accept_legacy>(&answer)) != nullptr) {
    const auto of = session_of(in, *about.older);
    if (of == 0) return refuse(in, now);
    auto& machine = sessions_.at(of)->machine;
    const bool first = about.older->join == 0;
    run_effects(of, machine.adopt(*about.older, {in.tuple, true, first}, now), now, &about);
  }
}

void server_shell::admit(session_key of, const admit_stream& how, const request& about,
                         time_point now) {
  ++accepted_;
  auto config = how.config;
  config.ip_id = static_cast<std::uint16_t>(random_());
  config.seed = random_();
  config.cookie = &*cookie_;
  config.handshake_packet = packet_to_send();
  auto machine = about.native != nullptr
                     ? stream::accept(config, about.native->hello, about.native->client_iss, now)
                     : stream::accept_legacy(config, about.older->client_iss, now);
  // What is there of this tuple, and only drains, is dropped by it.
  if (const auto old = streams_.find(about.in.tuple.remote.port); old != streams_.end()) {
    const auto before = std::move(old->second);
    streams_.erase(old);
    on_gone(before->session, before->number, now);
  }
  auto& e = add(std::move(machine), about.in.tuple.remote.port, of, how.stream);
  e.ends_at = how.ends_at;
  give(e, about.in, about.payload, now);
  if (about.native != nullptr)
    for (const auto& h : about.native->held)
      give(e, h.segment, h.payload, now);
}

void server_shell::run_effects(session_key of, const server_effects& list, time_point now,
                               const request* about) {
  auto& s = *sessions_.at(of);
  for (const auto& e : list) {
    if (const auto* how = std::get_if<admit_stream>(&e)) {
      admit(of, *how, *about, now);
    } else if (const auto* to = std::get_if<give_stream>(&e)) {
      if (auto* known = find(of, to->stream)) give(*known, about->in, about->payload, now);
    } else if (std::get_if<refuse_stream>(&e) != nullptr) {
      refuse(about->in, now);
    } else if (const auto* drop = std::get_if<count_drop>(&e)) {
      drops_[static_cast<std::size_t>(drop->reason)] += drop->datagrams;
    } else if (const auto* order = std::get_if<tell_stream>(&e)) {
      tell(of, *order, now);
    } else if (const auto* told = std::get_if<announce_streams>(&e)) {
      s.announced = told->streams;
    } else if (std::get_if<open_upstream>(&e) != nullptr) {
      s.has_upstream = true;
      ++upstream_ports_;
      for (const auto& [port, each] : streams_)
        if (each->session == of)
          for (const auto& one : std::exchange(each->waiting, {}))
            to_upstream(of, one);
    } else if (std::get_if<release_upstream>(&e) != nullptr) {
      s.has_upstream = false;
      s.announced.clear();
    } else if (std::get_if<retire_session>(&e) != nullptr) {
      s.retired = true;
      if (s.answers) groups_->remove(s.address, s.token, of);
    } else if (std::get_if<session_finished>(&e) != nullptr) {
      sessions_.erase(of);
      return;
    }
  }
}

void server_shell::deliver(entry& e, byte_view data, std::uint32_t size, time_point now) {
  const auto& s = *sessions_.at(e.session);
  const auto one = [&](byte_view d) {
    if (s.has_upstream)
      to_upstream(e.session, d);
    else
      e.waiting.emplace_back(d.begin(), d.end());
  };
  if (data.empty()) one({});
  for (std::size_t at = 0; at < data.size(); at += size)
    one(data.subview(at, std::min<std::size_t>(size, data.size() - at)));
  if (!s.has_upstream) report(e, stream_report::kind::sink_wanted, now);
}

stream_shell::entry* server_shell::stream_for_sending(session_key of) {
  auto& s = *sessions_.at(of);
  if (s.announced.empty()) return nullptr;
  return find(of, s.announced[s.turn++ % s.announced.size()]);
}

bool server_shell::alive() const {
  return std::any_of(sessions_.begin(), sessions_.end(),
                     [](const auto& s) { return s.second->machine.state() == standing::open; });
}

void server_shell::on_report(session_key key, const stream_report& told, time_point now) {
  const auto of = sessions_.find(key);
  if (of != sessions_.end()) run_effects(key, of->second->machine.on_report(told, now), now);
}

void server_shell::on_gone(session_key key, stream_number stream, time_point now) {
  const auto of = sessions_.find(key);
  if (of != sessions_.end()) run_effects(key, of->second->machine.on_gone(stream, now), now);
}

void server_shell::on_timer(time_point now) {
  stream_shell::on_timer(now);
  for (const auto& rst : acceptor_->on_timer(now))
    net_.send(false, rst, {}, 0, now);
  std::vector<session_key> due;
  for (const auto& [key, s] : sessions_)
    if (s->machine.deadline() && *s->machine.deadline() <= now) due.push_back(key);
  for (const auto key : due)
    run_effects(key, sessions_.at(key)->machine.on_timer(now), now);
  settle(now);
}

std::optional<time_point> server_shell::deadline() const {
  auto out = stream_shell::deadline();
  const auto earlier = [&out](const std::optional<time_point>& at) {
    if (at && (!out || *at < *out)) out = at;
  };
  earlier(acceptor_->deadline());
  for (const auto& [key, s] : sessions_)
    earlier(s->machine.deadline());
  return out;
}

std::size_t server_shell::live_sessions() const {
  return static_cast<std::size_t>(std::count_if(sessions_.begin(), sessions_.end(),
                                                [](const auto& s) { return !s.second->retired; }));
}

std::size_t server_shell::of_profile(profile p) const {
  return static_cast<std::size_t>(
      std::count_if(streams_.begin(), streams_.end(), [p](const auto& s) {
        return s.second->machine.is_open() && s.second->machine.wire() == p;
      }));
}

} // namespace tonel::sim
