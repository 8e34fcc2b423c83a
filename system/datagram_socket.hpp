#pragma once

#include "protocol/address.hpp"
#include "system/os_error.hpp"
#include "system/packet_device.hpp"
#include "system/slab.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tonel::sys {

/// Where datagrams came from and which of our addresses they were sent to.
struct datagram_path {
  protocol::endpoint peer;
  protocol::ip_address local;  ///< from IP_PKTINFO; none on a connected socket
  std::uint32_t interface = 0; ///< index, for link-local addresses

  friend bool operator==(const datagram_path& a, const datagram_path& b) noexcept {
    return a.peer == b.peer && a.local == b.local && a.interface == b.interface;
  }
};

/// Datagrams of one peer that came together: one, or several of equal size merged by UDP_GRO.
struct received_datagrams {
  datagram_path path;
  chunk bytes;
};

/// One run to send: chunks [first, first + count) of the batch; datagrams of datagram_size, the last
/// may be shorter. path.peer none: to the connected peer; path.local none: the kernel picks.
struct outgoing_run {
  datagram_path path;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t length = 0;
  std::uint32_t datagram_size = 0;
};

struct send_tally {
  std::uint32_t sent = 0; ///< datagrams
  std::uint32_t dropped =
      0; ///< datagrams: socket buffer full (EAGAIN, ENOBUFS) or too large (EMSGSIZE)
  std::uint32_t refused = 0; ///< datagrams that met ECONNREFUSED, EHOSTUNREACH and their like
};

/// A UDP socket, batch in and batch out.
/// Thread: one at a time
class datagram_socket {
public:
  virtual ~datagram_socket() = default;
  virtual int fd() const noexcept = 0;
  /// Appends at most about `max` datagrams to `out`. Pending socket errors (ECONNREFUSED of an earlier
  /// send) are swallowed and counted in receive_errors(); they never end the socket.
  virtual result<read_state> receive(slab_writer& slabs, std::vector<received_datagrams>& out,
                                     std::size_t max) = 0;
  /// Sends each run, with UDP_SEGMENT where it works; EIO or EINVAL for a run of several falls back
  /// to one datagram a message for this socket, once.
  virtual send_tally send(const std::vector<outgoing_run>& runs,
                          const std::vector<chunk>& chunks) = 0;
  virtual std::uint64_t receive_errors() const noexcept = 0;
};

} // namespace tonel::sys
