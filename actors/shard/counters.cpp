#include "actors/shard/counters.hpp"

namespace tonel::actors {

const char* to_string(counter c) noexcept {
  switch (c) {
  case counter::tun_packets_in: return "tun_packets_in";
  case counter::tun_packets_joined: return "tun_packets_joined";
  case counter::tun_segments_in: return "tun_segments_in";
  case counter::tun_bytes_in: return "tun_bytes_in";
  case counter::tun_segments_out: return "tun_segments_out";
  case counter::tun_write_dropped: return "tun_write_dropped";
  case counter::datagrams_in: return "datagrams_in";
  case counter::datagram_bytes_in: return "datagram_bytes_in";
  case counter::datagrams_out: return "datagrams_out";
  case counter::datagram_bytes_out: return "datagram_bytes_out";
  case counter::udp_send_dropped: return "udp_send_dropped";
  case counter::udp_send_refused: return "udp_send_refused";
  case counter::pending_dropped: return "pending_dropped";
  case counter::openings_failed: return "openings_failed";
  case counter::session_refused: return "session_refused";
  case counter::direct_path_full: return "direct_path_full";
  case counter::sessions_displaced: return "sessions_displaced";
  case counter::syns_deferred: return "syns_deferred";
  case counter::sessions_opened: return "sessions_opened";
  case counter::sessions_closed: return "sessions_closed";
  case counter::sessions_moved: return "sessions_moved";
  case counter::streams_opened: return "streams_opened";
  case counter::streams_ended: return "streams_ended";
  case counter::streams_failed: return "streams_failed";
  case counter::slab_pool_empty: return "slab_pool_empty";
  case counter::count_: break;
  }
  return "unknown";
}

std::vector<std::string> counter_lines(const std::vector<const counters*>& shards,
                                       std::uint64_t log_dropped) {
  std::vector<std::string> lines;
  const auto add = [&](const std::string& name, std::uint64_t n) {
    if (n != 0) lines.push_back(name + ' ' + std::to_string(n));
  };
  const auto line = [&](const std::string& name, auto which) {
    std::uint64_t sum = 0;
    for (const auto* shard : shards)
      sum += shard->get(which);
    add(name, sum);
  };
  for (std::size_t i = 0; i < counter_count; ++i) {
    const auto c = static_cast<counter>(i);
    line(to_string(c), c);
  }
  for (std::size_t i = 0; i < protocol::errc_count; ++i) {
    const auto e = static_cast<protocol::errc>(i);
    line(std::string{"dropped_"} + protocol::to_string(e), e);
  }
  add(log_dropped_name, log_dropped);
  return lines;
}

} // namespace tonel::actors
