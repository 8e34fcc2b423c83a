#pragma once

#include "protocol/address.hpp"
#include "system/ip_net.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tonel::sys {

/// An address of our TUN device: this host's end and the program's, which a route leads to.
struct device_address {
  protocol::ip_address local, peer;
};

/// What our TUN device is to be.
struct device_wanted {
  std::string name;
  std::uint32_t mtu = 0;
  std::uint32_t txqueuelen = 0; ///< packets
  std::vector<device_address> addresses;
};

/// What the kernel says of it.
struct device_found {
  bool there = false;
  std::string name;
  std::uint32_t mtu = 0;
  std::uint32_t txqueuelen = 0;
  bool up = false;
  std::vector<protocol::ip_address> addresses; ///< this host's ends
  std::vector<ip_net> routes;                  ///< that lead into it
};

/// One thing to be done so that the device is as it should be.
struct device_repair {
  enum class kind : std::uint8_t { make_again, rename, set_mtu, set_queue, set_up, address, route };
  kind what = kind::set_up;
  device_address where; ///< address, route
};

/// What has to be done, in this order; nothing: all is as it should be. What can be seen only after some
/// of it is done (a device that is down has no routes) is found by the next look.
std::vector<device_repair> judge_device(const device_wanted& wanted, const device_found& found);

/// What had been done to the device, for the log: "it was set down".
std::string what_happened(const device_repair& repair, const device_found& found);

} // namespace tonel::sys
