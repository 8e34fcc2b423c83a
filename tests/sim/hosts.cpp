#include "tests/sim/hosts.hpp"

#include "protocol/run.hpp"
#include "protocol/wire.hpp"

#include <algorithm>

namespace tonel::sim {

using namespace protocol;

namespace {

constexpr std::uint16_t server_port = 443;
const ip_address client_address = ip_address::v4(198, 51, 100, 7);
const ip_address server_address = ip_address::v4(192, 0, 2, 1);
constexpr std::size_t most_queued = 64;

std::uint8_t pattern(std::uint64_t number, std::size_t at) {
  return static_cast<std::uint8_t>(number * 31 + at * 7);
}

segment_repr as_received(const packet& p) {
  segment_repr in;
  in.tuple = {p.header.tuple.remote, p.header.tuple.local};
  in.seq = p.header.seq;
  in.ack = p.header.ack;
  in.window = p.header.window;
  in.flags = p.header.flags;
  if (in.has(flag::syn)) {
    in.sack_permitted = true;
    in.window_scale = 14;
    in.mss = p.header.mss;
  }
  in.payload_length = in.datagram_size = static_cast<std::uint32_t>(p.payload.size());
  return in;
}

} // namespace

std::vector<std::uint8_t> traffic::make(std::size_t size) {
  const auto number = made++;
  std::vector<std::uint8_t> out(size);
  for (std::size_t i = 8; i < size; ++i)
    out[i] = pattern(number, i);
  if (size >= 8) store_be64(out, 0, number);
  sizes_.push_back(static_cast<std::uint32_t>(size));
  times_.push_back(0);
  return out;
}

void traffic::arrived(byte_view datagram) {
  ++received;
  if (datagram.empty()) return;
  if (datagram.size() < 8) {
    ++altered;
    return;
  }
  const auto number = load_be64(datagram, 0);
  if (number >= made || sizes_[number] != datagram.size()) {
    ++altered;
    return;
  }
  for (std::size_t i = 8; i < datagram.size(); ++i) {
    if (datagram[i] == pattern(number, i)) continue;
    ++altered;
    return;
  }
  if (times_[number]++ > 0) ++repeated;
  if (number < latest_) ++reordered;
  latest_ = std::max(latest_, number);
}

host::host(bool client, network& net, traffic& out, traffic& in)
    : client_(client), net_(net), out_(out), in_(in) {}

host::entry& host::add(stream machine, std::uint16_t port, std::uint64_t counter) {
  return *(streams_[port] =
               std::make_unique<entry>(entry{std::move(machine), port, counter, false, false, {}}));
}

void host::sweep() {
  for (auto it = streams_.begin(); it != streams_.end();) {
    if (!it->second->forgotten) {
      ++it;
      continue;
    }
    if (current_ == it->second.get()) current_ = nullptr;
    it = streams_.erase(it);
  }
}

void host::receive(std::vector<packet> packets, bool merge, time_point now) {
  for (std::size_t i = 0; i < packets.size();) {
    auto in = as_received(packets[i]);
    auto payload = std::move(packets[i].payload);
    // GRO: what continues the segment before it, up to a shorter one or PSH.
    std::size_t next = i + 1;
    for (; merge && next < packets.size(); ++next) {
      const auto more = as_received(packets[next]);
      const bool may = !payload.empty() && more.payload_length > 0 && more.tuple == in.tuple &&
                       in.flags == flag::ack && (more.flags & ~flag::psh) == flag::ack &&
                       more.ack == in.ack && more.seq == in.seq + in.payload_length &&
                       more.payload_length <= in.datagram_size &&
                       in.payload_length % in.datagram_size == 0;
      if (!may) break;
      payload.insert(payload.end(), packets[next].payload.begin(), packets[next].payload.end());
      in.payload_length += more.payload_length;
      in.flags |= more.flags;
    }
    i = next;
    const auto port = client_ ? in.tuple.local.port : in.tuple.remote.port;
    const auto found = streams_.find(port);
    if (found == streams_.end())
      on_stray(in, payload, now);
    else
      give(*found->second, in, payload, now);
    sweep();
  }
}

void host::give(entry& e, const segment_repr& in, byte_view payload, time_point now) {
  run(e, e.machine.on_segment(in, payload, now), &in, payload, now);
}

void host::run(entry& e, const effects& list, const segment_repr* in, byte_view payload,
               time_point now) {
  for (const auto& what : list) {
    if (const auto* s = std::get_if<send_segment>(&what)) {
      net_.send(client_, s->header, s->payload, static_cast<std::uint32_t>(s->payload.size()), now);
    } else if (const auto* d = std::get_if<deliver>(&what)) {
      const auto data = payload.subview(d->offset, d->length);
      if (data.empty()) in_.arrived({});
      for (std::size_t at = 0; at < data.size(); at += in->datagram_size)
        in_.arrived(data.subview(at, std::min<std::size_t>(in->datagram_size, data.size() - at)));
    } else if (std::get_if<hold_segment>(&what)) {
      e.held.push_back({*in, {payload.begin(), payload.end()}});
    } else if (std::get_if<replay_held>(&what)) {
      for (const auto& h : std::exchange(e.held, {}))
        give(e, h.segment, h.payload, now);
    } else if (const auto* c = std::get_if<count_drop>(&what)) {
      drops_[static_cast<std::size_t>(c->reason)] += c->datagrams;
    } else if (std::get_if<forgotten>(&what)) {
      e.forgotten = true;
    }
    on_event(e, what, now);
  }
}

void host::submit(std::size_t size, std::uint32_t count, time_point now) {
  if (alive() && queue_.empty()) {
    const auto admitted = current_->machine.admit(static_cast<std::uint32_t>(size), count, now);
    drops_[static_cast<std::size_t>(errc::window_closed)] += count - admitted;
    std::vector<std::uint8_t> payload;
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto one = out_.make(size);
      if (i < admitted) payload.insert(payload.end(), one.begin(), one.end());
    }
    if (admitted == 0) return;
    out_.sent += admitted;
    // Zero-length datagrams are runs of one.
    const std::uint32_t each = size == 0 ? 1 : admitted;
    for (std::uint32_t done = 0; done < admitted; done += each) {
      const auto header = current_->machine.data_header(static_cast<std::uint32_t>(payload.size()),
                                                        each, done + each == admitted, now);
      net_.send(client_, header, payload, static_cast<std::uint32_t>(size), now);
    }
    return;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    auto one = out_.make(size);
    if (queue_.size() < most_queued)
      queue_.push_back(std::move(one));
    else
      ++drops_[static_cast<std::size_t>(errc::not_open)];
  }
}

void host::flush(time_point now) {
  for (const auto& one : std::exchange(queue_, {})) {
    const auto size = static_cast<std::uint32_t>(one.size());
    if (current_->machine.admit(size, 1, now) == 0) {
      ++drops_[static_cast<std::size_t>(errc::window_closed)];
      continue;
    }
    ++out_.sent;
    net_.send(client_, current_->machine.data_header(size, 1, true, now), one, size, now);
  }
}

void host::on_timer(time_point now) {
  std::vector<std::uint16_t> due;
  for (const auto& [port, e] : streams_)
    if (e->machine.deadline() && *e->machine.deadline() <= now) due.push_back(port);
  std::sort(due.begin(), due.end()); // the map's order is not the seed's
  for (const auto port : due) {
    const auto found = streams_.find(port);
    if (found != streams_.end())
      run(*found->second, found->second->machine.on_timer(now), nullptr, {}, now);
  }
  sweep();
}

std::optional<time_point> host::deadline() const {
  std::optional<time_point> out;
  for (const auto& [port, e] : streams_)
    if (const auto at = e->machine.deadline(); at && (!out || *at < *out)) out = at;
  return out;
}

void host::close(time_point now) {
  closing_ = true;
  if (current_ != nullptr) run(*current_, current_->machine.close(now, false), nullptr, {}, now);
  sweep();
}

client_host::client_host(std::uint64_t seed, network& net, traffic& out, traffic& in,
                         std::size_t handshake_packet)
    : host(true, net, out, in), random_(seed), acceptor_(acceptor_config{}),
      claims_({0x5e}, {0x5e, 1}) {
  if (handshake_packet > 0)
    handshake_packet_ = std::make_shared<std::vector<std::uint8_t>>(handshake_packet, 'h');
}

void client_host::connect(time_point now) {
  ++handshakes_;
  stream_config config;
  const auto port = next_port_++;
  config.tuple = {{client_address, port}, {server_address, server_port}};
  config.iss = {static_cast<std::uint32_t>(random_())};
  config.ip_id = static_cast<std::uint16_t>(random_());
  config.session = claims_.next();
  config.handshake_packet = handshake_packet_;
  auto& e = add(stream::connect(config), port, config.session.counter);
  run(e, e.machine.open(now), nullptr, {}, now);
}

void client_host::on_stray(const segment_repr& in, byte_view payload, time_point now) {
  const auto answer = acceptor_.on_stray(in, payload, now);
  if (const auto* reply = std::get_if<reply_stray>(&answer))
    net_.send(true, reply->header, {}, 0, now);
}

void client_host::on_event(entry& e, const effect& what, time_point now) {
  if (std::get_if<opened>(&what)) {
    current_ = &e;
    flush(now);
  } else if (std::get_if<greeted>(&what)) {
    ++greetings_;
    e.greeted = true;
    claims_.greeted(e.counter);
    // Older streams have done their work.
    std::vector<std::uint16_t> others;
    for (const auto& [port, other] : streams_)
      if (port < e.port) others.push_back(port);
    std::sort(others.begin(), others.end());
    for (const auto port : others)
      run(*streams_[port], streams_[port]->machine.reset(now), nullptr, {}, now);
  } else if (std::get_if<went_silent>(&what) || std::get_if<try_new_port>(&what)) {
    if (e.port + 1 == next_port_ && !closing_) connect(now);
  } else if (const auto* end = std::get_if<ended>(&what)) {
    if (current_ == &e) current_ = nullptr;
    if (end->why == end_reason::reset) claims_.was_reset(e.counter, e.greeted);
    if (e.port + 1 == next_port_ && !closing_) connect(now);
  }
}

server_host::server_host(std::uint64_t seed, network& net, traffic& out, traffic& in)
    : host(false, net, out, in), random_(seed), acceptor_(make_acceptor()) {}

acceptor server_host::make_acceptor() {
  acceptor_config config;
  for (auto& octet : config.secret)
    octet = static_cast<std::uint8_t>(random_());
  config.ports[server_port];
  return acceptor{config};
}

void server_host::restart() {
  streams_.clear();
  current_ = nullptr;
  proof_.reset();
  acceptor_ = make_acceptor();
}

void server_host::on_stray(const segment_repr& in, byte_view payload, time_point now) {
  auto answer = acceptor_.on_stray(in, payload, now);
  if (const auto* reply = std::get_if<reply_stray>(&answer)) {
    net_.send(false, reply->header, {}, 0, now);
  } else if (const auto* ignored = std::get_if<ignore_stray>(&answer)) {
    if (ignored->reason) ++drops_[static_cast<std::size_t>(*ignored->reason)];
  } else if (auto* made = std::get_if<accept_stream>(&answer)) {
    if (!admit(made->hello)) {
      auto rst = answer_to(in, in.ack, in.end(), flag::rst | flag::ack);
      return net_.send(false, rst, {}, 0, now);
    }
    ++accepted_;
    stream_config config;
    config.tuple = in.tuple;
    config.iss = made->iss;
    config.session.secret = proof_->secret();
    config.ip_id = static_cast<std::uint16_t>(random_());
    auto& e = add(stream::accept(config, made->hello, made->client_iss, now), in.tuple.remote.port);
    auto* const before = std::exchange(current_, &e);
    give(e, in, payload, now);
    for (const auto& h : made->held)
      give(e, h.segment, h.payload, now);
    if (before != nullptr) run(*before, before->machine.supersede(now), nullptr, {}, now);
  }
}

bool server_host::admit(const hello_repr& hello) {
  if (!proof_ && !hello.introduces) {
    ++drops_[static_cast<std::size_t>(errc::no_session)];
    return false;
  }
  if (!proof_) proof_.emplace(hello);
  const auto admitted = proof_->admit(hello);
  if (!admitted) ++drops_[static_cast<std::size_t>(admitted.error())];
  return admitted.has_value();
}

void server_host::on_event(entry& e, const effect& what, time_point) {
  if (std::get_if<ended>(&what) && current_ == &e) current_ = nullptr;
}

void server_host::on_timer(time_point now) {
  host::on_timer(now);
  for (const auto& reset : acceptor_.on_timer(now))
    net_.send(false, reset, {}, 0, now);
}

std::optional<time_point> server_host::deadline() const {
  const auto streams = host::deadline(), held = acceptor_.deadline();
  if (!streams || (held && *held < *streams)) return held;
  return streams;
}

} // namespace tonel::sim
