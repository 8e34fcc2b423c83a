#pragma once

#include "protocol/packet.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace tonel::sim {

/// One TCP packet on its way. Shape: header.tuple is the sender's view
struct packet {
  protocol::segment_header header;
  std::vector<std::uint8_t> payload;
  bool from_client = true;

  std::uint16_t client_port() const {
    return from_client ? header.tuple.local.port : header.tuple.remote.port;
  }
};

/// A firewall that tracks connections like Linux, and calls packets that do not fit INVALID: it
/// follows the state by flags, and sequence numbers by the windows seen, those of SYNs unscaled; it
/// picks up no connection in the middle (nf_conntrack_tcp_loose = 0).
/// Source: G. van Rooij, "Real Stateful TCP Packet Filtering in IP Filter" (2001), whose four
///         bounds Linux applies; the states are those of /proc/net/nf_conntrack
class conntrack {
public:
  /// Packets below the windows pass and change nothing, as with Linux 6.1 and later.
  void ignore_delayed() { ignore_delayed_ = true; }
  /// The reason why the packet is INVALID; empty: it is valid.
  std::string see(const packet& p);
  /// Whether data was seen whose end no ACK has named exactly: such an entry lives for minutes, not
  /// days.
  bool unacknowledged(std::uint16_t client_port) const;
  bool closed(std::uint16_t client_port) const;

private:
  enum class state { none, syn_sent, syn_recv, established, closing, time_wait, close };
  struct side {
    std::uint32_t end = 0;        ///< the highest end sent
    std::uint32_t max_end = 0;    ///< the highest end that the other side permits
    std::uint32_t max_window = 0; ///< the largest window announced, scaled
    std::uint32_t max_ack = 0;
    std::uint8_t scale = 0;
    bool seen = false;
    bool acked = false; ///< max_ack is set
    bool data_unacknowledged = false;
  };
  struct entry {
    state now = state::none;
    std::array<side, 2> sides;
    std::uint32_t ignored_syn_end = 0; ///< of a SYN that met a live connection
    bool ignored_syn = false;
    packet syn;
  };
  std::string on_syn_ack(entry& e, const packet& p);
  std::string check_window(entry& e, const packet& p) const;

  bool ignore_delayed_ = false;
  std::unordered_map<std::uint16_t, entry> entries_;
};

} // namespace tonel::sim
