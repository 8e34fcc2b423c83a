#pragma once

#include "system/kernel.hpp"

#include <string>

namespace tonel::sys {

/// Whether UDP segmentation (GSO) and receive offload (GRO) work on this machine.
struct udp_offload {
  bool gso = false;
  bool gro = false;
  /// For the log: why one is off, or could not be tried. Empty: both work.
  std::string note;
};

/// Sends runs over a pair of loopback sockets and compares the result, since some kernels corrupt
/// the datagrams that they cut or merge. If loopback is down, what the kernel offers is believed.
/// Takes some hundred microseconds; half a second at worst.
udp_offload probe_udp_offload(kernel& k);

} // namespace tonel::sys
