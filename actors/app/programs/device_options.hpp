#pragma once

#include "actors/shard/config.hpp"
#include "system/tun_device.hpp"

namespace tonel::actors::app {

/// The options to open the TUN device with.
sys::tun_options device_options(const tun_config& tun, bool offload);

} // namespace tonel::actors::app
