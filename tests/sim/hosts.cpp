#include "tests/sim/hosts.hpp"

#include "protocol/wire.hpp"

#include <algorithm>
#include <utility>

namespace tonel::sim {

using namespace protocol;

namespace {

constexpr std::size_t most_queued = 64;
constexpr std::uint16_t server_port = 443;

std::uint8_t pattern(std::uint64_t number, std::size_t at) {
  return static_cast<std::uint8_t>(number * 31 + at * 7);
}

/// Datagrams of one burst, one behind the other.
datagram burst_of(traffic& from, std::size_t size, std::uint32_t count) {
  datagram out;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto one = from.make(size);
    out.insert(out.end(), one.begin(), one.end());
  }
  return out;
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

void traffic::arrived(byte_view one) {
  ++received;
  if (one.empty()) return;
  if (one.size() < 8) {
    ++altered;
    return;
  }
  const auto number = load_be64(one, 0);
  if (number >= made || sizes_[number] != one.size()) {
    ++altered;
    return;
  }
  for (std::size_t i = 8; i < one.size(); ++i) {
    if (one[i] == pattern(number, i)) continue;
    ++altered;
    return;
  }
  if (times_[number]++ > 0) ++repeated;
  if (number < latest_) ++reordered;
  latest_ = std::max(latest_, number);
}

client_host::client_host(std::uint64_t seed, network& net, traffic& out, traffic& in,
                         const client_session_config& config, std::size_t handshake_size,
                         std::uint16_t first_port)
    : client_shell(net, seed, config, {ip_address::v4(198, 51, 100, 7), first_port},
                   {ip_address::v4(192, 0, 2, 1), server_port}),
      out_(out), in_(in) {
  handshake_packet.assign(handshake_size, 'h');
}

namespace {

/// GRO: what continues the segment before it, up to a shorter one or PSH.
template <class Give> void receive_all(const std::vector<packet>& packets, bool merge, Give give) {
  for (std::size_t i = 0; i < packets.size();) {
    auto in = as_received(packets[i]);
    auto payload = packets[i].payload;
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
    give(in, payload);
  }
}

} // namespace

void client_host::receive(const std::vector<packet>& packets, bool merge, time_point now) {
  receive_all(packets, merge, [&](const segment_repr& in, const datagram& payload) {
    client_shell::receive(in, payload, now);
  });
}

void client_host::deliver(entry&, byte_view data, std::uint32_t size, time_point now) {
  note_use(now);
  if (data.empty()) in_.arrived({});
  for (std::size_t at = 0; at < data.size(); at += size)
    in_.arrived(data.subview(at, std::min<std::size_t>(size, data.size() - at)));
}

void client_host::submit(std::size_t size, std::uint32_t count, time_point now) {
  auto* e = stream_for_sending(now);
  if (e != nullptr && queue_.empty()) {
    note_use(now);
    out_.sent +=
        send(*e, burst_of(out_, size, count), static_cast<std::uint32_t>(size), count, now);
    return settle(now);
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    auto one = out_.make(size);
    if (queue_.size() < most_queued)
      queue_.push_back(std::move(one));
    else
      ++drops_[static_cast<std::size_t>(errc::not_open)];
  }
  settle(now);
}

void client_host::flush(time_point now) {
  if (room() != 0 && std::exchange(early_, true)) return;
  if (room() == 0) early_ = false;
  for (std::size_t gone = 0; !queue_.empty(); queue_.pop_front()) {
    const auto& one = queue_.front();
    if (room() != 0 && gone + one.size() > room()) return;
    auto* e = stream_for_sending(now);
    if (e == nullptr) return;
    gone += one.size();
    out_.sent += send(*e, one, static_cast<std::uint32_t>(one.size()), 1, now);
  }
}

server_host::server_host(std::uint64_t seed, network& net, traffic& out, traffic& in)
    : server_shell(net, seed, server_port, false), out_(out), in_(in) {}

void server_host::receive(const std::vector<packet>& packets, bool merge, time_point now) {
  receive_all(packets, merge, [&](const segment_repr& in, const datagram& payload) {
    server_shell::receive(in, payload, now);
  });
}

void server_host::to_upstream(session_key, byte_view one) { in_.arrived(one); }

void server_host::submit(std::size_t size, std::uint32_t count, time_point now) {
  for (auto s = sessions().rbegin(); s != sessions().rend(); ++s) {
    auto* e = stream_for_sending(s->first);
    if (e == nullptr) continue;
    out_.sent +=
        send(*e, burst_of(out_, size, count), static_cast<std::uint32_t>(size), count, now);
    return settle(now);
  }
  for (std::uint32_t i = 0; i < count; ++i)
    (void)out_.make(size);
  drops_[static_cast<std::size_t>(errc::not_open)] += count;
}

void server_host::submit_to_all(std::size_t size, time_point now) {
  for (const auto& [key, s] : sessions())
    if (auto* e = stream_for_sending(key))
      out_.sent += send(*e, burst_of(out_, size, 1), static_cast<std::uint32_t>(size), 1, now);
  settle(now);
}

bool server_host::is_reachable() const {
  return std::any_of(sessions().begin(), sessions().end(),
                     [](const auto& s) { return !s.second->announced.empty(); });
}

} // namespace tonel::sim
