#include "actors/operations/status_server.hpp"

#include <utility>

namespace tonel::actors {

void status_server::serve(reactor_actor& self, const status_start& s,
                          const connection_bounds& bounds, connections::admission admit,
                          connections::request_handler on_request) {
  given = s;
  collector =
      std::make_unique<status_collector>(self, given.facts->counts.size(), given.facts->ask_host);
  clients = std::make_unique<connections>(self, given.listener, bounds, std::move(admit),
                                          std::move(on_request));
}

std::optional<protocol::time_point> status_server::next_deadline() const {
  const auto theirs = clients->next_deadline(), shards = collector->next_deadline();
  return !theirs || (shards && *shards < *theirs) ? shards : theirs;
}

} // namespace tonel::actors
