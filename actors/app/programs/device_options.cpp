#include "actors/app/programs/device_options.hpp"

namespace tonel::actors::app {

sys::tun_options device_options(const tun_config& tun, bool offload) {
  sys::tun_options options;
  options.name = tun.name;
  options.fd = tun.fd;
  options.queues = tun.queues;
  options.want_offload = offload;
  options.mtu = tun.mtu;
  options.txqueuelen = static_cast<std::uint32_t>(tun.txqueuelen);
  options.local4 = tun.local4;
  options.peer4 = tun.peer4;
  if (tun.ipv6) {
    options.local6 = tun.local6;
    options.peer6 = tun.peer6;
  }
  options.ipv6_required = tun.ipv6_required;
  return options;
}

} // namespace tonel::actors::app
