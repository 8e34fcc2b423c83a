#pragma once

#include "system/kernel.hpp"

#include <string>

namespace tonel::sys {

/// What is known of UDP segmentation and receive offload on this machine.
struct udp_offload {
  bool gso = false;
  bool gro = false;
  /// Why something is off, or could not be tried; for the log. Empty: both work.
  std::string note;
};

/// Sends runs over a pair of loopback sockets and compares what arrives: there are kernels that
/// corrupt what they cut or merge. Where loopback is down nothing can be compared, and what the
/// kernel offers is believed. Takes some hundred microseconds; half a second at worst.
udp_offload probe_udp_offload(kernel& k);

} // namespace tonel::sys
