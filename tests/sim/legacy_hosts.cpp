#include "tests/sim/legacy_hosts.hpp"

#include <algorithm>

namespace tonel::sim {

using namespace protocol;

namespace {

constexpr std::size_t most_queued = 64;
constexpr int most_tries = 5;

} // namespace

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

our_host::entry& our_host::add(stream machine, std::uint16_t port) {
  return *(streams_[port] =
               std::make_unique<entry>(entry{std::move(machine), port, 0, false, false}));
}

std::shared_ptr<const std::vector<std::uint8_t>> our_host::packet() const {
  if (handshake_packet.empty()) return nullptr;
  return std::make_shared<std::vector<std::uint8_t>>(handshake_packet);
}

void our_host::receive(const segment_repr& in, const datagram& payload, time_point now) {
  const auto found = streams_.find(client_ ? in.tuple.local.port : in.tuple.remote.port);
  if (found == streams_.end())
    on_stray(in, payload, now);
  else
    run(*found->second, found->second->machine.on_segment(in, payload, now), &in, payload, now);
  sweep();
}

void our_host::run(entry& e, const effects& list, const segment_repr* in, const datagram& payload,
                   time_point now) {
  for (const auto& what : list) {
    if (const auto* s = std::get_if<send_segment>(&what)) {
      net_.send(client_, s->header, s->payload, static_cast<std::uint32_t>(s->payload.size()), now);
    } else if (const auto* d = std::get_if<deliver>(&what)) {
      const auto from = payload.begin() + d->offset;
      deliver_({from, from + d->length});
    } else if (std::get_if<ended>(&what) || std::get_if<try_new_port>(&what) ||
               std::get_if<peer_is_legacy>(&what)) {
      e.ended = true;
    } else if (std::get_if<forgotten>(&what)) {
      e.forgotten = true;
    }
    on_event(e, what, now);
  }
  (void)in;
}

bool our_host::send(entry& e, const datagram& data, time_point now) {
  const auto size = static_cast<std::uint32_t>(data.size());
  if (e.machine.admit(size, 1, now) == 0) return false;
  net_.send(client_, e.machine.data_header(size, 1, true, now), data, size, now);
  return true;
}

void our_host::sweep() {
  for (auto it = streams_.begin(); it != streams_.end();)
    if (it->second->forgotten) {
      on_forgotten(*it->second);
      it = streams_.erase(it);
    } else {
      ++it;
    }
}

void our_host::on_timer(time_point now) {
  std::vector<std::uint16_t> due;
  for (const auto& [port, e] : streams_)
    if (const auto at = e->machine.deadline(); at && *at <= now) due.push_back(port);
  for (const auto port : due) {
    auto& e = *streams_.at(port);
    run(e, e.machine.on_timer(now), nullptr, {}, now);
  }
  sweep();
}

std::optional<time_point> our_host::deadline() const {
  std::optional<time_point> out;
  for (const auto& [port, e] : streams_)
    if (const auto at = e->machine.deadline(); at && (!out || *at < *out)) out = at;
  return out;
}

void our_client::connect(time_point now) {
  ++handshakes_;
  ++tries_;
  stream_config config;
  const auto port = next_port_++;
  config.tuple = {{us_.address, port}, them_};
  config.iss = native_isn(static_cast<std::uint32_t>(random_()));
  config.session.id.fill(0x5e);
  config.wire = wire_;
  config.detect_legacy = wire_ == profile::native;
  config.join_token = wire_ == profile::tonel ? token_ : std::uint16_t{0};
  config.handshake_packet = packet();
  config.last_port = tries_ >= most_tries;
  auto& e = add(stream::connect(config), port);
  run(e, e.machine.open(now), nullptr, {}, now);
}

/// As many streams as there are to be; further ones when the first has told what the server is.
void our_client::fill(time_point now) {
  const auto alive = static_cast<std::size_t>(std::count_if(
      streams_.begin(), streams_.end(), [](const auto& s) { return !s.second->ended; }));
  const auto want = wire_ == profile::tonel && token_ != 0 ? count_ : 1;
  for (auto n = alive; n < want; ++n)
    connect(now);
}

void our_client::submit(const datagram& data, time_point now) {
  if (queue_.size() < most_queued) queue_.push_back(data);
  tries_ = 0;
  fill(now);
  flush(now);
}

void our_client::flush(time_point now) {
  std::vector<entry*> open;
  for (const auto& [port, e] : streams_)
    if (e->machine.is_open()) open.push_back(e.get());
  if (open.empty()) return;
  for (const auto& data : std::exchange(queue_, {}))
    send(*open[++turn_ % open.size()], data, now);
}

std::size_t our_client::open_streams() const {
  return static_cast<std::size_t>(std::count_if(
      streams_.begin(), streams_.end(), [](const auto& s) { return s.second->machine.is_open(); }));
}

void our_client::on_event(entry& e, const effect& what, time_point now) {
  if (std::get_if<opened>(&what)) {
    wire_ = e.machine.wire();
    tries_ = 0;
    if (const auto token = e.machine.group_token(); token != 0) {
      token_ = token;
      token_port_ = e.port;
    }
    // It replaces one that was found silent.
    for (const auto& [port, other] : streams_)
      if (port < e.port && other->session == 1 && other->machine.is_open())
        run(*other, other->machine.supersede(now), nullptr, {}, now);
    fill(now);
    flush(now);
  } else if (const auto* found = std::get_if<peer_is_legacy>(&what)) {
    wire_ = found->shown;
    connect(now);
  } else if (const auto* silent = std::get_if<went_silent>(&what)) {
    if (silent->only_worn && token_ == 0) return; // a group of its own would get nothing
    e.session = 1;
    connect(now);
  } else if (std::get_if<recovered>(&what)) {
  } else if (std::get_if<try_new_port>(&what) || std::get_if<ended>(&what)) {
    if (token_port_ == e.port) token_ = token_port_ = 0;
    if (std::get_if<try_new_port>(&what)) fill(now);
  }
}

our_server::our_server(network& net, deliver_to deliver, std::uint64_t seed, std::uint16_t port)
    : our_host(false, net, std::move(deliver), seed), port_(port) {
  start();
}

void our_server::start() {
  acceptor_config config;
  for (auto& octet : config.secret)
    octet = static_cast<std::uint8_t>(random_());
  groups_.emplace(address_hash{random_()}, 1'000);
  config.ports[port_] = {true, true, &*groups_};
  cookie_.emplace(config.secret);
  acceptor_.emplace(config);
}

void our_server::restart() {
  streams_.clear();
  sessions_.clear();
  start();
}

void our_server::on_stray(const segment_repr& in, const datagram& payload, time_point now) {
  const auto answer = acceptor_->on_stray(in, payload, now);
  stream_config config;
  config.tuple = in.tuple;
  config.cookie = &*cookie_;
  config.handshake_packet = packet();
  if (const auto* reply_with = std::get_if<reply_stray>(&answer)) {
    reply(reply_with->header, now);
  } else if (const auto* native = std::get_if<accept_stream>(&answer)) {
    config.iss = native->iss;
    config.handshake_packet = nullptr;
    auto& e =
        add(stream::accept(config, native->hello, native->client_iss, now), in.tuple.remote.port);
    e.session = next_session_++;
    sessions_[e.session] = {};
    run(e, e.machine.on_segment(in, payload, now), &in, payload, now);
  } else if (const auto* made = std::get_if<accept_legacy>(&answer)) {
    config.iss = made->iss;
    config.wire = made->shown;
    const auto& address = in.tuple.remote.address;
    const auto number =
        made->join != 0 ? groups_->find(address, made->join)->owner : next_session_++;
    auto& of = sessions_[number];
    config.answers = of.answers;
    auto& e = add(stream::accept_legacy(config, made->client_iss, now), in.tuple.remote.port);
    e.session = number;
    if (made->join == 0) {
      of.token = token_in(made->iss);
      of.address = address;
      if (!groups_->add(address, {of.token, in.tuple.remote.port, number, of.answers}))
        e.ended = true;
    }
    run(e, e.machine.on_segment(in, payload, now), &in, payload, now);
  }
}

void our_server::on_event(entry& e, const effect& what, time_point) {
  const auto found = sessions_.find(e.session);
  if (std::get_if<deliver>(&what) && found != sessions_.end()) {
    if (!std::exchange(found->second.had_datagram, true)) ++upstream_ports_;
  } else if (std::get_if<ended>(&what) && found != sessions_.end()) {
    const bool more = std::any_of(streams_.begin(), streams_.end(), [&](const auto& s) {
      return s.second->session == e.session && !s.second->ended;
    });
    if (more) return;
    groups_->remove(found->second.address, found->second.token, e.session);
    sessions_.erase(found);
  }
}

void our_server::submit(const datagram& data, time_point now) {
  for (const auto& [id, s] : sessions_)
    for (const auto& [port, e] : streams_)
      if (e->session == id && e->machine.is_open()) {
        send(*e, data, now);
        break;
      }
}

void our_server::on_timer(time_point now) {
  our_host::on_timer(now);
  for (const auto& rst : acceptor_->on_timer(now))
    reply(rst, now);
}

std::optional<time_point> our_server::deadline() const {
  const auto streams = our_host::deadline(), held = acceptor_->deadline();
  if (!streams || (held && *held < *streams)) return held;
  return streams;
}

std::size_t our_server::live_streams() const {
  return static_cast<std::size_t>(std::count_if(
      streams_.begin(), streams_.end(), [](const auto& s) { return s.second->machine.is_open(); }));
}

std::size_t our_server::of_profile(profile p) const {
  return static_cast<std::size_t>(
      std::count_if(streams_.begin(), streams_.end(), [p](const auto& s) {
        return s.second->machine.is_open() && s.second->machine.wire() == p;
      }));
}

} // namespace tonel::sim
