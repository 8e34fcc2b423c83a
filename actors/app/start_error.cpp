#include "actors/app/start_error.hpp"

#include "protocol/address.hpp"
#include "system/addresses.hpp"

#include <cerrno>

namespace tonel::actors::app {

start_error tun_error(const sys::os_error& error) {
  start_error out{"cannot set up the TUN device: " + error.to_string(), {}};
  switch (error.number) {
  case EPERM:
  case EACCES:
    out.advice = {"CAP_NET_ADMIN is missing. Grant it in one of these ways:",
                  "  run the program as root (sudo)",
                  "  setcap cap_net_admin+ep /path/to/the/program",
                  "  in a systemd unit: AmbientCapabilities=CAP_NET_ADMIN"};
    break;
  case ENOENT:
  case ENODEV:
    out.advice = {"/dev/net/tun is missing. Provide it in one of these ways:", "  modprobe tun",
                  "  in a container: --device /dev/net/tun"};
    break;
  case EBADF:
  case ENOTTY:
    out.advice = {"a number at --tun is that of an open TUN descriptor, inherited from who starts "
                  "this program"};
    break;
  case EBUSY: out.advice = {"another program has this device; --tun names another one"}; break;
  default: break;
  }
  return out;
}

start_error pid_error(const sys::os_error& error) {
  start_error out{"cannot write the PID file: " + error.to_string(), {}};
  if (error.number == EAGAIN) out.advice = {"another program is running with this --pid-file"};
  return out;
}

std::optional<start_error> address_in_use(const tun_config& tun) {
  if (tun.fd >= 0) return std::nullopt; // may well have it
  const auto taken = [&](const char* option,
                         const protocol::ip_address& address) -> std::optional<start_error> {
    const auto device = sys::interface_with(address);
    if (!device || *device == tun.name) return std::nullopt;
    return start_error{std::string{option} + " " + address.to_string() + " is in use, by device " +
                           *device,
                       {"each program of a host needs --tun-local, --tun-peer, --tun-local6 and "
                        "--tun-peer6 of its own, in networks of their own"}};
  };
  if (auto error = taken("--tun-local", tun.local4)) return error;
  if (auto error = taken("--tun-peer", tun.peer4)) return error;
  if (!tun.ipv6) return std::nullopt;
  if (auto error = taken("--tun-local6", tun.local6)) return error;
  return taken("--tun-peer6", tun.peer6);
}

} // namespace tonel::actors::app
