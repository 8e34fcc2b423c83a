#include "actors/udp_output.hpp"

#include "actors/runs.hpp"

#include <utility>

namespace tonel::actors {

namespace {

// What one UDP message over IPv4 can carry: 65,535 less the IP and UDP headers.
constexpr std::size_t max_udp_payload = 65'507;

} // namespace

void send_datagrams(shard& where, sys::datagram_socket& socket, datagram_batch& batch,
                    std::vector<sys::outgoing_run>& runs) {
  runs.clear();
  std::vector<sys::chunk> chunks;
  chunks.reserve(batch.chunks.size());
  std::uint64_t bytes = 0;
  plan_runs(std::move(batch.chunks), max_udp_payload, chunks,
            [&](std::uint32_t first, const protocol::run_builder& run) {
              runs.push_back({batch.path, first, static_cast<std::uint32_t>(chunks.size()) - first,
                              run.bytes(), run.datagram_size()});
              bytes += run.bytes();
            });
  const auto tally = socket.send(runs, chunks);
  auto& stats = where.stats;
  stats.add(counter::datagrams_out, tally.sent);
  stats.add(counter::datagram_bytes_out, bytes);
  if (tally.dropped != 0) stats.add(counter::udp_send_dropped, tally.dropped);
  if (tally.refused != 0) stats.add(counter::udp_send_refused, tally.refused);
}

} // namespace tonel::actors
