#include "tests/sim/legacy_hosts.hpp"

#include <algorithm>
#include <optional>

namespace tonel::sim {

using namespace protocol;

namespace {

constexpr std::size_t most_queued = 64;

client_session_config config_for(profile wire, std::size_t count) {
  client_session_config out;
  out.streams = count;
  if (wire != profile::native) out.wire = wire;
  return out;
}

} // namespace

our_client::our_client(network& net, deliver_to deliver, std::uint64_t seed, profile wire,
                       std::size_t count, const endpoint& us, const endpoint& them)
    : client_shell(net, seed, config_for(wire, count), us, them), deliver_(std::move(deliver)) {}

void our_client::submit(const datagram& data, time_point now) {
  if (queue_.size() < most_queued) queue_.push_back(data);
  flush(now);
  settle(now);
}

void our_client::flush(time_point now) {
  while (!queue_.empty()) {
    auto* e = stream_for_sending(now);
    if (e == nullptr) return;
    const auto one = std::move(queue_.front());
    queue_.pop_front();
    note_use(now);
    send(*e, one, static_cast<std::uint32_t>(one.size()), 1, now);
  }
}

void our_client::deliver(entry&, byte_view data, std::uint32_t size, time_point now) {
  note_use(now);
  if (data.empty()) deliver_({});
  for (std::size_t at = 0; at < data.size(); at += size) {
    const auto one = data.subview(at, std::min<std::size_t>(size, data.size() - at));
    deliver_({one.begin(), one.end()});
  }
}

void our_server::to_upstream(session_key, byte_view one) { deliver_({one.begin(), one.end()}); }

void our_server::submit(const datagram& data, time_point now) {
  for (const auto& [key, s] : sessions())
    if (auto* e = stream_for_sending(key))
      send(*e, data, static_cast<std::uint32_t>(data.size()), 1, now);
  settle(now);
}

} // namespace tonel::sim
