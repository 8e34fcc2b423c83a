#include "system/offload_probe.hpp"

namespace tonel::sys {

udp_offload probe_udp_offload(kernel&) {
  udp_offload none;
  none.note = "UDP offload is off: macOS has none";
  return none;
}

} // namespace tonel::sys
