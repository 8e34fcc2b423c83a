#include "tests/support/legacy_peers.hpp"

#include <algorithm>

namespace tonel::test {

using namespace protocol;
using namespace std::chrono_literals;

namespace {

constexpr std::uint8_t syn = flag::syn, ack = flag::ack, rst = flag::rst;
constexpr auto tonel_wait = 3s, phantun_wait = 1s, phantun_idle = 180s, tonel_udp_idle = 20s;
constexpr std::uint32_t phantun_ack_room = 128u << 20;

std::uint32_t length_of(const datagram& d) { return static_cast<std::uint32_t>(d.size()); }

} // namespace

legacy_connection::legacy_connection(bool phantun, bool client, const four_tuple& tuple,
                                     std::uint32_t syn_seq, legacy_world& world, time_point now)
    : phantun_(phantun), client_(client), tuple_(tuple), syn_(syn_seq), world_(world),
      state_(client ? state::syn_sent : state::syn_received), at_(now) {}

void legacy_connection::emit(std::uint8_t flags, std::uint32_t seq, std::uint32_t ack_field,
                             const datagram& payload) {
  segment_header h;
  h.tuple = tuple_;
  h.seq = {seq};
  h.ack = {ack_field};
  h.flags = flags;
  if ((flags & ack) != 0) last_ack_ = ack_field;
  world_.send(h, payload);
}

void legacy_connection::open(time_point now) {
  ++tries_;
  at_ = now + (phantun_ ? phantun_wait : tonel_wait);
  if (client_) {
    seq_ = syn_;
    emit(syn, syn_, 0);
    return;
  }
  syn_ack_ = seq_ = phantun_ ? 0 : tuple_.remote.port;
  ack_ = syn_ + 1;
  emit(syn | ack, seq_, ack_);
}

void legacy_connection::establish(time_point now) {
  state_ = state::established;
  ++seq_;
  at_ = now + (phantun_ ? duration{phantun_idle} : duration{tonel_wait});
  if (client_) emit(ack, seq_, ack_);
}

std::optional<datagram> legacy_connection::receive(const segment_repr& in, const datagram& payload,
                                                   time_point now) {
  switch (state_) {
  case state::syn_sent:
    if (in.flags == (syn | ack) && in.ack.raw == syn_ + 1) {
      syn_ack_ = in.seq.raw;
      ack_ = in.seq.raw + 1;
      establish(now);
    } else if (!phantun_ || in.has(rst)) {
      drop(); // the first packet decides
    }
    return std::nullopt;
  case state::syn_received:
    if (in.flags == ack && in.ack.raw == syn_ack_ + 1) {
      establish(now); // and its payload is thrown away
    } else if (phantun_ && in.flags == syn) {
      emit(syn | ack, seq_, ack_);
    } else if (!phantun_ || in.has(rst)) {
      drop();
    }
    return std::nullopt;
  case state::established:
    if (in.has(rst)) {
      drop();
      return std::nullopt;
    }
    return phantun_ ? established_phantun(in, payload, now) : established_tonel(in, payload, now);
  case state::closed: break;
  }
  return std::nullopt;
}

std::optional<datagram> legacy_connection::established_tonel(const segment_repr& in,
                                                             const datagram& payload,
                                                             time_point now) {
  at_ = now + tonel_wait;
  if (in.flags == ack && in.ack.raw == 0 && payload.empty()) {
    if (in.seq.raw == 0) {
      emit(ack, 1, 0);
      return std::nullopt;
    }
    if (in.seq.raw == 1 && waiting_) {
      waiting_ = false;
      return std::nullopt;
    }
  }
  ack_ = in.seq.raw + length_of(payload);
  waiting_ = false;
  lost_rounds_ = 0;
  return payload;
}

std::optional<datagram> legacy_connection::established_phantun(const segment_repr& in,
                                                               const datagram& payload,
                                                               time_point now) {
  at_ = now + phantun_idle;
  ack_ = in.seq.raw + length_of(payload);
  if (ack_ - last_ack_ > phantun_ack_room) emit(ack, seq_, ack_);
  if (payload.empty()) return std::nullopt;
  return payload;
}

void legacy_connection::send(const datagram& payload, time_point now) {
  if (state_ != state::established) return;
  emit(ack, seq_, ack_, payload);
  seq_ += length_of(payload);
  if (phantun_) at_ = now + phantun_idle;
}

void legacy_connection::on_timer(time_point now) {
  if (state_ == state::closed || now < at_) return;
  if (state_ == state::established) {
    if (phantun_) return drop();
    if (waiting_ && ++lost_rounds_ == 3) return drop();
    if (waiting_) {
      waiting_ = false; // the next round begins with 3 s of silence, too
    } else {
      waiting_ = true;
      emit(ack, 0, 0);
    }
    at_ = now + tonel_wait;
    return;
  }
  if (!phantun_ || tries_ == 3) return drop();
  open(now);
}

std::optional<time_point> legacy_connection::deadline() const {
  if (state_ == state::closed) return std::nullopt;
  return at_;
}

void legacy_connection::drop() {
  if (state_ == state::closed) return;
  state_ = state::closed;
  emit(rst, phantun_ ? seq_ : 0, 0);
}

void legacy_program::receive(const segment_repr& in, const datagram& data, time_point now) {
  const auto port = client_ ? in.tuple.local.port : in.tuple.remote.port;
  const auto found = connections_.find(port);
  if (found == connections_.end()) {
    if (!client_ && in.flags == syn) return on_syn(in, now);
    if (in.has(rst)) return;
    segment_header h;
    h.tuple = in.tuple;
    h.seq = in.ack;
    h.ack = in.seq + in.payload_length;
    h.flags = rst | ack;
    return world_.send(h, {});
  }
  auto& c = *found->second;
  const auto got = c.receive(in, data, now);
  if (c.established() && !c.counted) {
    c.counted = true;
    ++opened_;
    established(c, now);
  }
  if (got) {
    if (c.awaits_packet) {
      c.awaits_packet = false;
      if (!client_) c.send(options_.handshake_packet, now);
      payload(c, {}, now); // lets the client's first datagram go
    } else {
      payload(c, *got, now);
      world_.deliver(*got);
    }
  }
  sweep(now);
}

legacy_connection& legacy_program::add(const four_tuple& tuple, std::uint32_t syn_seq,
                                       time_point now) {
  const auto port = client_ ? tuple.local.port : tuple.remote.port;
  return *(connections_[port] =
               std::make_unique<legacy_connection>(phantun_, client_, tuple, syn_seq, world_, now));
}

void legacy_program::on_timer(time_point now) {
  for (const auto& [port, c] : connections_)
    c->on_timer(now);
  sweep(now);
}

void legacy_program::sweep(time_point now) {
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (!it->second->closed()) {
      ++it;
      continue;
    }
    const auto gone = std::move(it->second);
    connections_.erase(it);
    lost(*gone, now);
    it = connections_.begin();
  }
}

std::optional<time_point> legacy_program::deadline() const {
  std::optional<time_point> out;
  for (const auto& [port, c] : connections_)
    if (const auto at = c->deadline(); at && (!out || *at < *out)) out = at;
  return out;
}

std::size_t legacy_program::live() const {
  return static_cast<std::size_t>(
      std::count_if(connections_.begin(), connections_.end(),
                    [](const auto& c) { return c.second->established(); }));
}

void legacy_client::connect(std::uint32_t syn_seq, time_point now) {
  add({{options_.us.address, port_++}, options_.them}, syn_seq, now).open(now);
}

void legacy_client::submit(const datagram& data, time_point now) {
  if (connections_.empty()) {
    ++groups_;
    first_ = data;
    idle_at_ = now + tonel_udp_idle;
    return connect(0, now);
  }
  std::vector<legacy_connection*> open;
  for (const auto& [port, c] : connections_)
    if (c->established()) open.push_back(c.get());
  if (open.empty()) return;
  idle_at_ = now + tonel_udp_idle;
  open[++turn_ % open.size()]->send(data, now);
}

void legacy_client::established(legacy_connection& c, time_point now) {
  if (!options_.handshake_packet.empty()) {
    c.send(options_.handshake_packet, now);
    c.awaits_packet = !phantun_;
  }
  if (phantun_) {
    if (first_) c.send(*first_, now);
    first_.reset();
    return;
  }
  if (options_.handshake_packet.empty()) first_.reset(); // never sent by anybody
  if (c.syn_seq() != 0) return;
  const auto token = c.syn_ack_seq() <= 65'535 ? c.syn_ack_seq() : 0;
  for (int i = 1; i < options_.connections; ++i)
    connect(token, now);
}

void legacy_client::payload(legacy_connection& c, const datagram& data, time_point now) {
  if (first_ && data.empty() && !c.awaits_packet) {
    c.send(*first_, now);
    first_.reset();
  } else {
    idle_at_ = now + tonel_udp_idle;
  }
}

void legacy_client::lost(legacy_connection&, time_point) {
  if (!phantun_) cancel();
}

void legacy_client::cancel() {
  auto all = std::exchange(connections_, {});
  for (const auto& [port, c] : all)
    c->drop();
}

void legacy_client::on_timer(time_point now) {
  legacy_program::on_timer(now);
  if (!phantun_ && !connections_.empty() && now >= idle_at_) cancel();
}

std::optional<time_point> legacy_client::deadline() const {
  auto out = legacy_program::deadline();
  if (!phantun_ && out) out = std::min(*out, idle_at_);
  return out;
}

void legacy_client::restart() {
  legacy_program::restart();
  first_.reset();
}

void legacy_server::on_syn(const segment_repr& in, time_point now) {
  if (phantun_ && in.seq.raw != 0) {
    segment_header h;
    h.tuple = in.tuple;
    h.ack = in.seq + 1;
    h.flags = rst | ack;
    return world_.send(h, {});
  }
  add(in.tuple, in.seq.raw, now).open(now);
}

void legacy_server::established(legacy_connection& c, time_point now) {
  if (phantun_ || c.group() == 0) {
    c.owner = ++groups_;
    tokens_[c.syn_ack_seq()] = c.owner;
  } else if (const auto group = tokens_.find(c.group()); group != tokens_.end()) {
    c.owner = group->second;
  } else {
    ++refused_joins_;
    return c.drop();
  }
  if (options_.handshake_packet.empty()) return;
  if (phantun_)
    c.send(options_.handshake_packet, now);
  else
    c.awaits_packet = true;
}

void legacy_server::payload(legacy_connection& c, const datagram& data, time_point) {
  if (!data.empty()) heard_ = c.owner; // a handshake packet is not handed on
}

void legacy_server::lost(legacy_connection& c, time_point) {
  if (c.group() == 0) tokens_.erase(c.syn_ack_seq());
}

void legacy_server::submit(const datagram& data, time_point now) {
  std::vector<legacy_connection*> open;
  for (const auto& [port, c] : connections_)
    if (c->established() && c->owner == heard_) open.push_back(c.get());
  if (!open.empty()) open[++turn_ % open.size()]->send(data, now);
}

void legacy_server::restart() {
  legacy_program::restart();
  tokens_.clear();
  heard_ = 0;
}

} // namespace tonel::test
