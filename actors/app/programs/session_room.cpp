#include "actors/app/programs/session_room.hpp"

#include "actors/runtime/log.hpp"
#include "actors/shard/shard.hpp"
#include "system/process.hpp"

#include <algorithm>
#include <cstddef>
#include <string>

namespace tonel::actors::app {

namespace {

// Descriptors for other uses than sessions: TUN queue and event loop of each shard; log, signals,
// netlink, clients of control and http, files, started programs, and a reserve.
constexpr std::size_t descriptors_a_queue = 4;
constexpr std::size_t other_descriptors = 80;

void limit_to(config& run, std::size_t most, const std::string& why) {
  auto& bound = run.bounds.max_sessions;
  if (most >= bound) return;
  // At a client a lowered default is not worth a line: nobody asked for it.
  if (run.side == role::server || bound != limits{}.max_sessions)
    log_info("at most ", most, " sessions, not ", bound, ": ", why);
  bound = most;
}

} // namespace

std::optional<sys::socket_budget> limit_sessions(config& run) {
  const auto files = sys::raise_fd_limit();
  std::size_t streams = 1, sockets = 1;
  for (const auto& tunnel : run.tunnels) {
    streams = std::max(streams, tunnel->streams);
    sockets = std::max(sockets, tunnel->upstream_ports);
  }
  if (run.side == role::client) { // its sessions share sockets, but each stream takes a port
    limit_to(run, port_pool::in_all / streams,
             "the TCP ports are " + std::to_string(port_pool::in_all) + ", one a connection");
    return std::nullopt;
  }
  if (files == 0) return std::nullopt;
  const auto others = descriptors_a_queue * run.tun.queues + other_descriptors;
  const auto room = static_cast<std::size_t>(files > 2 * others ? files - others : files / 2);
  limit_to(run, room / sockets, "the limit on open files is " + std::to_string(files));
  return std::optional<sys::socket_budget>{std::in_place, room};
}

} // namespace tonel::actors::app
