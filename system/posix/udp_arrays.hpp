#pragma once

#include "protocol/bytes.hpp"
#include "system/datagram_socket.hpp"
#include "system/posix/platform.hpp"
#include "system/posix/socket_address.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace tonel::sys {

/// Octets of the largest datagram in an IPv4 packet: 65,535 less IP and UDP header.
inline constexpr std::size_t max_datagram = 65'507;

/// The control messages of a received message, decoded.
struct ancillary {
  std::uint32_t segment_size = 0;
  in6_addr local{}; ///< IPv4 in its mapped form
  std::uint32_t interface = 0;
};

/// The source and destination of a message.
struct datagram_source {
  socket_address peer;
  in6_addr local; ///< unspecified: unknown
  std::uint32_t interface;

  datagram_path decoded() const noexcept {
    const bool known = !IN6_IS_ADDR_UNSPECIFIED(&local);
    return {decode(peer), known ? decode(local) : protocol::ip_address{}, interface};
  }
};

/// The arrays for recvmmsg. One set for each thread, since its sockets, perhaps thousands, are read
/// one after the other.
struct receive_arrays {
  static constexpr std::size_t capacity = 32;
  /// Room for UDP_GRO and the longer of the two PKTINFO messages.
  static constexpr std::size_t control_size = 96;

  alignas(16) std::array<std::array<std::uint8_t, control_size>, capacity> control;
  std::array<mmsghdr, capacity> messages;
  std::array<std::array<iovec, 2>, capacity> pieces;
  std::array<socket_address, capacity> peers;
  datagram_source source; ///< of the last entry of receive()

  receive_arrays() noexcept;
  static receive_arrays& of_this_thread() noexcept;

  /// Whether message i has the same source and destination as `source`.
  bool came_from(std::size_t i, const ancillary& extra) const noexcept {
    const auto& p = peers[i];
    if (p.any.sa_family != source.peer.any.sa_family || extra.interface != source.interface ||
        std::memcmp(&extra.local, &source.local, sizeof extra.local) != 0)
      return false;
    if (p.any.sa_family == AF_INET)
      return p.v4.sin_port == source.peer.v4.sin_port &&
             p.v4.sin_addr.s_addr == source.peer.v4.sin_addr.s_addr;
    return p.v6.sin6_port == source.peer.v6.sin6_port &&
           std::memcmp(&p.v6.sin6_addr, &source.peer.v6.sin6_addr, sizeof p.v6.sin6_addr) == 0;
  }

  void prepare(std::size_t i, protocol::byte_span slot, protocol::byte_span rest,
               bool named) noexcept {
    pieces[i][0] = {slot.data(), slot.size()};
    pieces[i][1] = {rest.data(), rest.size()};
    // The last call has written these.
    msghdr& m = messages[i].msg_hdr;
    m.msg_name = named ? &peers[i] : nullptr;
    m.msg_namelen = named ? sizeof peers[i] : 0;
    m.msg_controllen = control_size;
    m.msg_flags = 0;
  }
};

/// The arrays for sendmmsg, one set for each thread.
struct send_arrays {
  static constexpr std::size_t capacity = 64;
  static constexpr std::size_t piece_capacity = 1024;
  static constexpr std::size_t control_size = 96;

  /// The content of one message.
  struct content {
    std::uint32_t run;
    std::uint32_t datagrams;
    std::uint32_t size;
    std::uint32_t chunk;  ///< number of the chunk where it starts
    std::uint32_t inside; ///< octets into that chunk
    std::uint32_t offset; ///< octets into the run
  };

  alignas(16) std::array<std::array<std::uint8_t, control_size>, capacity> control;
  std::array<mmsghdr, capacity> messages;
  std::array<socket_address, capacity> peers;
  std::array<content, capacity> contents;
  std::array<iovec, piece_capacity> pieces;

  send_arrays() noexcept;
  static send_arrays& of_this_thread() noexcept;
};

} // namespace tonel::sys
