#pragma once

#include "protocol/address.hpp"
#include "system/os_error.hpp"
#include "system/packet_device.hpp"
#include "system/slab.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tonel::sys {

/// The source of datagrams, and the address of ours that they were sent to.
struct datagram_path {
  protocol::endpoint peer;
  protocol::ip_address local;  ///< from IP_PKTINFO; unspecified on a connected socket
  std::uint32_t interface = 0; ///< its number, for link-local addresses

  friend bool operator==(const datagram_path& a, const datagram_path& b) noexcept {
    return a.peer == b.peer && a.local == b.local && a.interface == b.interface;
  }
};

/// Datagrams of one peer that were read together: one, or several of equal size.
struct received_datagrams {
  datagram_path path;
  chunk bytes;
};

/// One run to send.
/// Shape: chunks [first, first + count) of the batch; datagrams of datagram_size, the last may be
///        shorter. path.peer unspecified: the connected peer; path.local unspecified: the kernel
///        chooses
/// Units: octets
struct outgoing_run {
  datagram_path path;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t length = 0;
  std::uint32_t datagram_size = 0;
};

/// The outcome of send().
struct send_tally {
  std::uint32_t sent = 0;    ///< datagrams
  std::uint32_t dropped = 0; ///< datagrams: full buffer (EAGAIN, ENOBUFS), too large (EMSGSIZE)
  std::uint32_t refused = 0; ///< datagrams: ECONNREFUSED, EHOSTUNREACH and the like
};

/// A UDP socket, batch in and batch out.
/// Thread: one at a time
class datagram_socket {
public:
  virtual ~datagram_socket() = default;
  /// The descriptor to watch.
  virtual int fd() const noexcept = 0;
  /// Appends about `max` datagrams at most to `out`. Pending errors of the socket (ECONNREFUSED
  /// of an earlier send) are only counted in receive_errors().
  /// Errors: the descriptor is unusable: a bug, or it is gone
  virtual result<read_state> receive(slab_writer& slabs, std::vector<received_datagrams>& out,
                                     std::size_t max) = 0;
  /// Sends each run, by UDP_SEGMENT where it works. After EIO or EINVAL for a run of several
  /// datagrams the socket falls back to one datagram a message for good.
  virtual send_tally send(const std::vector<outgoing_run>& runs,
                          const std::vector<chunk>& chunks) = 0;
  virtual std::uint64_t receive_errors() const noexcept = 0;
  /// The last such error, or the last one that refused a datagram of ours, and forgets it; 0: none since.
  virtual int take_error() noexcept = 0;
  /// Of this host; 0: not known.
  virtual std::uint16_t local_port() const noexcept = 0;
};

} // namespace tonel::sys
