#include "actors/config.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace tonel::actors {

namespace {

constexpr std::size_t source_share = 16;
// Where few sessions may be, some must do for the applications of one host.
constexpr std::size_t least_per_source = 64;

template <class T> bool same_content(const std::shared_ptr<T>& a, const std::shared_ptr<T>& b) {
  return a == b || (a && b && *a == *b);
}

auto plain_members(const tunnel_config& t) {
  return std::tie(t.name, t.local_udp, t.local_port, t.remote.host, t.remote.port, t.idle_timeout,
                  t.deadline, t.wire, t.streams, t.upstream_ports, t.accept_native,
                  t.accept_legacy);
}

} // namespace

bool same(const tunnel_config& a, const tunnel_config& b) {
  return plain_members(a) == plain_members(b) &&
         same_content(a.handshake_packet, b.handshake_packet) && same_content(a.cipher, b.cipher);
}

std::size_t sessions_per_source(const config& c) noexcept {
  const auto& most = c.bounds;
  if (most.max_sessions_per_source != 0) return most.max_sessions_per_source;
  if (c.side == role::client) return std::numeric_limits<std::uint32_t>::max();
  return std::max(most.max_sessions / source_share, std::min(least_per_source, most.max_sessions));
}

} // namespace tonel::actors
