#pragma once

#include "actors/shard/config.hpp"
#include "system/host_system.hpp"
#include "system/os_error.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tonel::actors::app {

/// Why the process ends before its actors start, and lines of advice.
struct start_error {
  std::string text;
  std::vector<std::string> advice;
  bool permanent = false; ///< the next start would fail likewise
};

/// For an error of sys::tun_device::open(), with advice for that operating system.
start_error tun_error(const sys::os_error& error, sys::host_system on = sys::this_system());
/// For an error of a socket for a client's --local.
start_error listen_error(const tunnel_config& tunnel, const sys::os_error& error);

/// For an error of sys::direct_path::open().
start_error path_error(const sys::os_error& error);

/// For an error of the pid file.
start_error pid_error(const sys::os_error& error);

/// The error if --tun names an interface of the host that is no TUN device.
std::optional<start_error> not_a_tun(const tun_config& tun);

} // namespace tonel::actors::app
