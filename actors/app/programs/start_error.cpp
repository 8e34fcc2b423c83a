#include "actors/app/programs/start_error.hpp"

#include "protocol/address.hpp"
#include "system/addresses.hpp"

#include <cerrno>

namespace tonel::actors::app {

namespace {

using advice = std::vector<std::string>;

advice linux_advice(int number) {
  switch (number) {
  case EPERM:
  case EACCES:
    return {"CAP_NET_ADMIN is missing. Grant it in one of these ways:",
            "  run the program as root (sudo)", "  setcap cap_net_admin+ep /path/to/the/program",
            "  in a systemd unit: AmbientCapabilities=CAP_NET_ADMIN"};
  case ENOENT:
  case ENODEV:
    return {"/dev/net/tun is missing. Provide it in one of these ways:", "  modprobe tun",
            "  in a container: --device /dev/net/tun"};
  case EBUSY: return {"another program has this device; --tun names another one"};
  default: return {};
  }
}

advice macos_advice(int number) {
  switch (number) {
  case EPERM:
  case EACCES:
    return {"a utun device is for root alone: run the program with sudo, or as launchd's service"};
  case EINVAL: return {"devices are called utunN; without --tun the system picks the number"};
  case EOPNOTSUPP: return {"a utun has one queue; leave --tun-queues out"};
  case EBUSY:
    return {"another program, as a VPN may be, has this device; without --tun the system picks one "
            "that is free"};
  default: return {};
  }
}

} // namespace

start_error tun_error(const sys::os_error& error, sys::host_system on) {
  start_error out{"cannot set up the TUN device: " + error.to_string(), {}, false};
  if (error.number == EBADF || error.number == ENOTTY)
    out.advice = {"a number at --tun is that of an open TUN descriptor, inherited from who starts "
                  "this program"};
  else if (on == sys::host_system::macos)
    out.advice = macos_advice(error.number);
  else
    out.advice = linux_advice(error.number);
  out.permanent = error.number == EPERM || error.number == EACCES;
  return out;
}

start_error path_error(const sys::os_error& error) {
  start_error out{"--firewall bpf is not possible here: " + error.to_string(), {}, false};
  out.permanent = error.number == EPERM || error.number == EOPNOTSUPP;
  if (error.number == EPERM)
    out.advice = {"run it as root, or give the program the rights:",
                  "  setcap cap_net_admin,cap_bpf=ep /path/to/the/program"};
  else
    out.advice = {"--firewall auto sets firewall rules in its place"};
  return out;
}

start_error listen_error(const tunnel_config& tunnel, const sys::os_error& error) {
  start_error out{label(tunnel) + "cannot listen on --local " + tunnel.local_udp.to_string() +
                      ": " + error.to_string(),
                  {},
                  false};
  if (error.number == EADDRINUSE)
    out.advice = {
        "another program has this UDP port (ss -lunp; without a name there it is a WireGuard "
        "device of this host: wg show all listen-port)",
        "  give one of them another port; a WireGuard that sends by this tunnel needs no "
        "ListenPort"};
  if (error.number != EACCES || tunnel.local_udp.port >= 1024) return out;
  out.permanent = true;
  out.advice = {"ports below 1024 need CAP_NET_BIND_SERVICE: run the program as root, or give the "
                "service the drop-in",
                "  /usr/share/doc/tonel/examples/systemd/low-port.conf"};
  return out;
}

std::optional<start_error> not_a_tun(const tun_config& tun) {
  if (tun.fd >= 0 || tun.name.empty()) return std::nullopt;
  const auto driver = sys::driver_of(tun.name);
  if (!driver || *driver == "tun") return std::nullopt;
  return start_error{
      "--tun " + tun.name + " is a network interface of this host (" + *driver + "), no TUN device",
      {"--tun names the device that this program makes for itself; choose a name that "
       "no interface has, as tonel0"},
      true};
}

start_error pid_error(const sys::os_error& error) {
  start_error out{"cannot write the PID file: " + error.to_string(), {}, false};
  out.permanent = error.number == ELOOP || error.number == EINVAL;
  if (error.number == ELOOP) out.advice = {"--pid-file must not be a symbolic link"};
  if (error.number == EINVAL) out.advice = {"--pid-file must be a regular file"};
  if (error.number == EAGAIN) out.advice = {"another program is running with this --pid-file"};
  return out;
}

} // namespace tonel::actors::app
