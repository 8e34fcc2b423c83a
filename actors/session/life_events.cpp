#include "actors/session/life_events.hpp"

#include "actors/shard/opening_words.hpp"

#include <utility>

namespace tonel::actors {

namespace {

std::string volume_text(const session_use::volume& v) {
  return std::to_string(v.datagrams) + " datagrams (" + std::to_string(v.octets) + " octets)";
}

} // namespace

std::string session_title::text() const {
  const bool named = id != protocol::session_id{};
  return label(tunnel) + "session " + (named ? protocol::short_name(id) + ' ' : std::string{}) +
         "of " + peer.to_string();
}

bool log_opened(shard& where, const session_title& session, protocol::profile wire,
                const protocol::endpoint& remote,
                const std::vector<std::uint16_t>& upstream_ports) {
  if (!log_enabled(log_level::info) || !where.life_lines.take(where.loop.now())) return false;
  std::string ports;
  for (const auto port : upstream_ports)
    ports += (ports.empty() ? ", from UDP port " : " and ") + std::to_string(port);
  log_info(session.text(), " opened: ", protocol::to_string(wire), ", to ", remote, ports);
  return true;
}

void log_rotated(shard& where, const session_title& session, const protocol::endpoint& before,
                 const protocol::endpoint& after) {
  if (!log_enabled(log_level::info) || !where.life_lines.take(where.loop.now())) return;
  if (before.address != after.address)
    log_info(session.text(), " goes on from ", after, " in place of ", before,
             ": this host's address towards the server is another");
  else
    log_info(session.text(), " goes on with another connection, of TCP port ", after.port,
             " in place of ", before.port);
}

void log_closed(const session_title& session, const char* why, const session_use& use,
                protocol::duration age) {
  log_info(session.text(), " closed ", why, ", after ", length_text(age), ": ",
           volume_text(use.into), " into the tunnel, ", volume_text(use.out_of), " out of it");
}

void log_too_large(const session_title& session, std::uint32_t size, std::uint32_t limit) {
  // WireGuard adds 32 octets to what it carries ("WireGuard: Next Generation Kernel Network Tunnel", 5.4.6).
  constexpr std::uint32_t wireguard = 32;
  log_warn(session.text(), ": a datagram of ", size,
           " octets does not fit and was dropped; the largest that does has ", limit,
           " (of a WireGuard inside: MTU = ", limit > wireguard ? limit - wireguard : 0, ")");
}

void log_report(const session_title& session, const protocol::stream_report& report) {
  using kind = protocol::stream_report::kind;
  log_debug(session.text(), ": connection ", report.stream, ' ', protocol::to_string(report.what),
            report.what == kind::ended ? std::string{": "} + protocol::to_string(report.why)
                                       : std::string{});
}

void log_standing(const session_title& session, protocol::standing& before,
                  protocol::standing now) {
  const auto was = std::exchange(before, now);
  if (was != now)
    log_debug(session.text(), ": ", protocol::to_string(was), " -> ", protocol::to_string(now));
}

} // namespace tonel::actors
