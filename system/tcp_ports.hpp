#pragma once

#include "protocol/address.hpp"
#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tonel::sys {

/// A program that accepts TCP connections.
struct listener_facts {
  std::uint16_t port = 0;
  int pid = 0;                    ///< 0: unknown
  std::string program;            ///< name of the program
  protocol::ip_address address{}; ///< that it listens on; unspecified: cannot be told
};

/// The programs whose sockets listen on one of these TCP ports of this network namespace. Other users'
/// processes are visible to root alone; their sockets are to all.
std::vector<listener_facts> tcp_listeners(const std::vector<std::uint16_t>& ports);

/// Says to other programs of this project that this process serves a TCP port. No socket of the host
/// shows that: the packets are taken ahead of the host's own TCP.
/// Shape: one a port and network namespace (macOS: one a port)
/// Owns:  the claim; the kernel takes it away with the process, whatever ends that
class port_claim {
public:
  /// Errors: EADDRINUSE: another process has it, holder() tells which; others: it cannot be told to
  ///         others, which is no reason not to serve the port; EPERM: a user has taken the name who can
  ///         serve no port
  static result<port_claim> make(std::uint16_t port);
  /// The process that has the port; number 0: it cannot be told.
  static listener_facts holder(std::uint16_t port);

  port_claim(port_claim&&) noexcept = default;
  port_claim& operator=(port_claim&&) noexcept = default;

private:
  explicit port_claim(descriptor fd) noexcept : fd_(std::move(fd)) {}
  descriptor fd_;
};

} // namespace tonel::sys
