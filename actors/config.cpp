#include "actors/config.hpp"

#include <tuple>

namespace tonel::actors {

namespace {

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

} // namespace tonel::actors
