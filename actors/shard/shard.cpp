#include "actors/shard/shard.hpp"

#include "actors/runtime/log.hpp"
#include "protocol/siphash.hpp"

#include <algorithm>
#include <utility>

namespace tonel::actors {

namespace {

constexpr std::uint32_t max_challenges = 1'000; // a second
// A server that is slow under load must not get every client's SYN two or four times.
constexpr std::uint32_t max_rivals = 200; // a second
// Thousands of sessions may come and go in a second; the log has its own bound behind this.
constexpr std::uint32_t max_life_lines = 20; // a second
// Ending a session takes some 25 us of processor time at each end, and its FIN shares a queue with
// datagrams of others: if thousands fall silent together, that is an eighth of the time. With the
// ticks of timers it is 50 sessions every 10 ms.
constexpr auto ending_interval = std::chrono::microseconds{200};
constexpr std::size_t first_port = 32'768;
constexpr auto limit_silence = std::chrono::minutes{1};

/// A seed that is secret, and differs between shards.
std::uint64_t own_seed(const process_context& context, std::size_t number) {
  const std::array<std::uint8_t, 1> input{static_cast<std::uint8_t>(number)};
  return protocol::siphash24(context.cookie_secret, input);
}

} // namespace

void reader_gate::pause(reactor::watch_id watch) {
  loop_.change(watch, sys::interest::none);
  paused_.push_back(watch);
}

void reader_gate::resume() {
  const auto watches = std::move(paused_);
  paused_.clear();
  // The reactor ignores watches of actors that have ended meanwhile.
  for (const auto watch : watches)
    loop_.change(watch, sys::interest::readable);
}

port_pool::port_pool(std::size_t shard, std::size_t shards)
    : shard_(shard), taken_(in_all / shards), free_(taken_.size()) {}

port_pool::lease port_pool::take(std::uint32_t random) {
  if (free_ == 0 && !wake_oldest()) return nullptr;
  auto i = random % taken_.size();
  while (taken_[i])
    i = (i + 1) % taken_.size();
  taken_[i] = true;
  --free_;
  const auto port = static_cast<std::uint16_t>(first_port + shard_ * taken_.size() + i);
  return {new std::uint16_t{port}, [this, i](const std::uint16_t* p) {
            delete p;
            resting_.push_back(i);
            if (resting_.size() > taken_.size() / 4 * 3) wake_oldest();
          }};
}

bool port_pool::wake_oldest() {
  if (resting_.empty()) return false;
  taken_[resting_.front()] = false;
  resting_.pop_front();
  ++free_;
  return true;
}

shard::shard(std::size_t number, const process_context& context, reactor& r, sys::slab_pool& p,
             sys::packet_device& device)
    : index(number), process(context), loop(r), pool(p), slabs(p), tun(device), gate(r),
      ports(number, context.shards), streams(stream_bounds(), *context.stream_sources),
      challenges(max_challenges, own_seed(context, number)), rivals(max_rivals),
      endings(ending_interval), life_lines(max_life_lines), cookie(context.cookie_secret) {
  pool.on_available([this] { gate.resume(); });
  loop.set_coalescing(context.settings.coalesce);
  loop.set_between_passes([this] { pool.collect(); });
}

shard_tunnel* shard::find(const tunnel_ptr& tunnel) noexcept {
  for (auto& each : tunnels)
    if (each.settings == tunnel) return &each;
  return nullptr;
}

std::shared_ptr<tunnel_health> shard::health_of(const tunnel_ptr& tunnel) {
  const auto* entry = find(tunnel);
  return entry != nullptr && entry->health ? entry->health : std::make_shared<tunnel_health>();
}

std::size_t shard::share(std::size_t whole) const noexcept {
  return std::max<std::size_t>(1, whole / process.shards);
}

port_pool::lease shard::take_port() {
  auto port = ports.take(random<std::uint32_t>());
  if (!port && !std::exchange(told_no_port_, true))
    log_warn("no TCP port is free for another connection: a client has ", port_pool::in_all,
             ", shared out to its queues (said once)");
  return port;
}

session_limits::bounds shard::session_bounds() const noexcept {
  const auto& most = process.settings.bounds;
  return {share(most.max_sessions), sessions_per_source(process.settings),
          share(most.max_opening_sessions),
          static_cast<std::uint32_t>(share(most.max_new_sessions_per_second))};
}

session_limits::bounds shard::stream_bounds() const noexcept {
  auto out = session_bounds();
  const auto& most = process.settings.bounds;
  if (most.max_sessions_per_source == 0)
    out.per_source = std::max(out.per_source, most.max_sessions / 4);
  return out;
}

void shard::limit_reached(refusal why, const protocol::ip_address& address, bool displaced) {
  auto& told = told_limit_.at(static_cast<std::size_t>(why)).at(displaced ? 1 : 0);
  const auto now = loop.now();
  if (told && now - *told < limit_silence) return;
  told = now;
  const auto& most = process.settings.bounds;
  const auto say = [&](const auto&... what) {
    log_warn("limit reached: ", what...,
             displaced ? "; for each new one another makes way" : "; new ones are refused",
             " (said once a minute)");
  };
  switch (why) {
  case refusal::none: break;
  case refusal::all:
    say("there are as many sessions as --max-sessions ", most.max_sessions, " allows");
    break;
  case refusal::source:
    say(source_of(address), address.is_v6() ? "/64, or its /48," : "",
        " has as many sessions as --max-sessions-per-source ", session_bounds().per_source,
        " allows");
    break;
  case refusal::opening:
    say("as many sessions wait for the server as --max-opening ", most.max_opening_sessions,
        " allows");
    break;
  case refusal::rate:
    say("as many sessions came within a second as --max-new-sessions ",
        most.max_new_sessions_per_second, " allows");
    break;
  case refusal::load: say("more new sessions come than this machine can open"); break;
  case refusal::ports:
    say("all ", port_pool::in_all, " TCP ports of a client are in use or rest");
    break;
  }
}

upstream_sockets shard::open_upstreams(const tunnel_config& tunnel,
                                       const protocol::endpoint& upstream) {
  upstream_sockets sockets;
  while (sockets.size() < tunnel.upstream_ports) {
    auto socket = process.open_upstream(upstream);
    if (!socket) {
      if (!std::exchange(told_no_socket_, true))
        log_error("a session was refused, for want of a UDP socket: ", socket.error(),
                  " (said once; session_refused counts them)");
      return {};
    }
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

} // namespace tonel::actors
