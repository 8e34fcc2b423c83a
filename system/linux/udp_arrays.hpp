#pragma once

#include "protocol/bytes.hpp"
#include "system/linux/socket_address.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tonel::sys {

/// The most that one IPv4 packet carries: 65,535 less IP and UDP header.
inline constexpr std::size_t max_datagram = 65'507;

/// What recvmmsg is called with. One set a thread: its sockets are read one after the other, and
/// there may be thousands of them.
struct receive_arrays {
  static constexpr std::size_t capacity = 32;
  /// Room for UDP_GRO's and the longer of the two PKTINFO messages.
  static constexpr std::size_t control_size = 96;

  alignas(16) std::array<std::array<std::uint8_t, control_size>, capacity> control;
  std::array<mmsghdr, capacity> messages;
  std::array<std::array<iovec, 2>, capacity> pieces;
  std::array<socket_address, capacity> peers;

  receive_arrays() noexcept;
  static receive_arrays& of_this_thread() noexcept;

  void prepare(std::size_t i, protocol::byte_span slot, protocol::byte_span rest,
               bool named) noexcept {
    pieces[i][0] = {slot.data(), slot.size()};
    pieces[i][1] = {rest.data(), rest.size()};
    // What the last call wrote.
    msghdr& m = messages[i].msg_hdr;
    m.msg_name = named ? &peers[i] : nullptr;
    m.msg_namelen = named ? sizeof peers[i] : 0;
    m.msg_controllen = control_size;
    m.msg_flags = 0;
  }
};

/// What sendmmsg is called with, likewise.
struct send_arrays {
  static constexpr std::size_t capacity = 64;
  static constexpr std::size_t piece_capacity = 1024;
  static constexpr std::size_t control_size = 96;

  /// What one message stands for.
  struct content {
    std::uint32_t run;
    std::uint32_t datagrams;
    std::uint32_t size;
    std::uint32_t chunk;  ///< where it starts
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
