#pragma once

#include "protocol/address.hpp"
#include "system/datagram_socket.hpp"
#include "system/kernel.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace tonel::sys {

struct receive_arrays;

/// The options of a UDP socket.
struct udp_options {
  bool gso = true;         ///< UDP_SEGMENT on send
  bool gro = true;         ///< UDP_GRO on receive
  bool reuse_port = false; ///< several sockets on one address, one for each shard
  int buffer = 0;          ///< octets each way, as far as the kernel permits; 0: the default
};

/// Octets of a listener's buffers: a burst of all applications of a shard.
inline constexpr int listener_buffer = 4 * 1024 * 1024;
/// Octets of a session's buffers: some milliseconds at 1 Gbit/s; the system's default of 208 KiB
/// holds one. The memory is not reserved, and the system limits that of all sockets (udp_mem).
inline constexpr int session_buffer = 1024 * 1024;

/// A UDP socket with segmentation and receive offload.
/// Shape:  small: the arrays for recvmmsg and sendmmsg belong to the thread
/// Owns:   the descriptor
/// Thread: one at a time
class udp_socket final : public datagram_socket {
public:
  /// Makes a socket bound to `local`. An IPv6 wildcard also takes IPv4, as in most programs; such
  /// peers have IPv4 addresses. Each datagram's destination is known, to be the source of the
  /// answer.
  /// Errors: EADDRINUSE, EADDRNOTAVAIL, EACCES of "bind"; EAFNOSUPPORT of "socket": no IPv6
  static result<std::unique_ptr<udp_socket>> listen(kernel& k, const protocol::endpoint& local,
                                                    const udp_options& options);
  /// Makes a socket that only sends to and receives from `peer`. Its datagrams have an empty path.
  /// Errors: EMFILE of "socket"; ENETUNREACH and EHOSTUNREACH of "connect"
  static result<std::unique_ptr<udp_socket>> connect(kernel& k, const protocol::endpoint& peer,
                                                     const udp_options& options);

  int fd() const noexcept override { return fd_.get(); }
  /// Consecutive datagrams of one peer and of equal size become one entry of `out`, whether the
  /// kernel has merged them or not.
  /// Errors: EBADF, ENOTSOCK and the like: a bug, or the descriptor is gone
  result<read_state> receive(slab_writer& slabs, std::vector<received_datagrams>& out,
                             std::size_t max) override;
  send_tally send(const std::vector<outgoing_run>& runs, const std::vector<chunk>& chunks) override;
  std::uint64_t receive_errors() const noexcept override { return receive_errors_; }
  int take_error() noexcept override { return std::exchange(last_error_, 0); }
  std::uint16_t local_port() const noexcept override;

  /// The address that it is bound to.
  result<protocol::endpoint> local() const;
  bool gro() const noexcept { return gro_; }
  /// False: switched off, or the path has refused it.
  bool gso() const noexcept { return gso_limit_ != 0; }

private:
  udp_socket(kernel& k, descriptor fd, bool connected, bool v6) noexcept;
  static result<std::unique_ptr<udp_socket>> open(kernel& k, bool v6, bool connected,
                                                  const udp_options& options);
  bool set(int level, int name, int value) noexcept;
  std::size_t accept(receive_arrays& a, std::size_t i, slab_writer& slabs,
                     std::vector<received_datagrams>& out, std::size_t first_out);
  class sender;

  kernel& kernel_;
  descriptor fd_;
  bool connected_;
  bool v6_;
  bool gro_ = false;
  /// The largest datagram to send by UDP_SEGMENT, octets; 0: off.
  std::uint32_t gso_limit_ = 0;
  std::size_t expected_ = 4; ///< messages in the next receive()
  std::uint64_t receive_errors_ = 0;
  int last_error_ = 0;
};

} // namespace tonel::sys
