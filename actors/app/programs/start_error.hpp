#pragma once

#include "actors/shard/config.hpp"
#include "system/host_system.hpp"
#include "system/os_error.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tonel::actors::app {

/// A reason to end before the actors start.
struct start_error {
  std::string text;
  std::vector<std::string> advice;
};

/// Of sys::tun_device::open(), with what people can do about it on that system.
start_error tun_error(const sys::os_error& error, sys::host_system on = sys::this_system());
start_error pid_error(const sys::os_error& error);

/// Two devices with one address would get each other's packets.
std::optional<start_error> address_in_use(const tun_config& tun);

} // namespace tonel::actors::app
