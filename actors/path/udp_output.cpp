#include "actors/path/udp_output.hpp"

#include "actors/path/runs.hpp"

#include <algorithm>
#include <utility>

namespace tonel::actors {

namespace {

// Octets of the largest UDP message over IPv4: 65,535 less the IP and UDP headers.
constexpr std::size_t max_udp_payload = 65'507;

/// Cuts the batch into runs, sends them by send(chunks), and counts.
template <class Send>
std::uint32_t send_runs(shard& where, wire_to_app& batch, std::vector<sys::outgoing_run>& runs,
                        Send send) {
  runs.clear();
  std::vector<sys::chunk> chunks;
  where.spare_chunks.lend(chunks);
  std::uint64_t bytes = 0;
  plan_runs(std::move(batch.chunks), max_udp_payload, chunks,
            [&](std::uint32_t first, const protocol::run_builder& run) {
              runs.push_back({batch.path, first, static_cast<std::uint32_t>(chunks.size()) - first,
                              run.bytes(), run.datagram_size()});
              bytes += run.bytes();
            });
  const sys::send_tally tally = send(chunks);
  auto& stats = where.stats;
  stats.add(counter::datagrams_out, tally.sent);
  stats.add(counter::datagram_bytes_out, bytes);
  if (tally.dropped != 0) stats.add(counter::udp_send_dropped, tally.dropped);
  if (tally.refused != 0) stats.add(counter::udp_send_refused, tally.refused);
  where.spare_chunks.take_back(chunks);
  return tally.refused;
}

} // namespace

std::uint32_t send_datagrams(shard& where, sys::datagram_socket& socket, wire_to_app& batch,
                             std::vector<sys::outgoing_run>& runs) {
  return send_runs(where, batch, runs, [&](const std::vector<sys::chunk>& chunks) {
    return socket.send(runs, chunks);
  });
}

std::uint32_t send_datagrams(shard& where, const upstream_sockets& sockets, std::size_t& next,
                             wire_to_app& batch, std::vector<sys::outgoing_run>& runs) {
  if (sockets.size() == 1) return send_datagrams(where, *sockets.front(), batch, runs);
  return send_runs(where, batch, runs, [&](const std::vector<sys::chunk>& chunks) {
    sys::send_tally sum;
    std::vector<sys::outgoing_run> share;
    const auto used = std::min(sockets.size(), runs.size());
    for (std::size_t i = 0; i < used; ++i) {
      share.clear();
      for (auto r = i; r < runs.size(); r += sockets.size())
        share.push_back(runs[r]);
      const auto tally = sockets[(next + i) % sockets.size()]->send(share, chunks);
      sum.sent += tally.sent;
      sum.dropped += tally.dropped;
      sum.refused += tally.refused;
    }
    next = (next + runs.size()) % sockets.size();
    return sum;
  });
}

} // namespace tonel::actors
