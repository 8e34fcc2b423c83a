#include "actors/session/local_ends.hpp"

#include <cerrno>
#include <memory>
#include <utility>

namespace tonel::actors {

namespace {

// The host's own TCP has few connections to one remote, and a port of each is known to the programs that
// made them alone.
constexpr int most_tries = 8;

struct taken_port {
  port_pool::lease port;
  direct_streams::lease connection;
};

} // namespace

protocol::local_end take_local_end(shard& where, const protocol::endpoint& remote) {
  protocol::local_end out;
  auto* direct = where.process.direct.get();
  if (direct == nullptr) {
    out.port = where.take_port();
    return out;
  }
  const auto source = direct->source_to(remote.address);
  if (!source || !*source) {
    out.why = source ? protocol::opening_cause::no_route : protocol::opening_cause::not_taken;
    return out;
  }
  for (int i = 0; i < most_tries; ++i) {
    auto port = where.take_port();
    if (!port) return out;
    auto taken = direct->take({{*source, *port}, remote});
    if (taken) {
      const auto both =
          std::make_shared<taken_port>(taken_port{std::move(port), std::move(*taken)});
      out.port = {both, both->port.get()};
      out.address = *source;
      return out;
    }
    if (taken.error().number == EADDRINUSE) continue;
    if (taken.error().number == ENOSPC) where.stats.add(counter::direct_path_full);
    out.why = protocol::opening_cause::not_taken;
    return out;
  }
  return out;
}

} // namespace tonel::actors
