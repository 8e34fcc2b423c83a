#pragma once

#include <cstdint>
#include <string>

namespace tonel::bench {

/// Opens a TUN device with vnet headers and TCP offload, gives it its addresses and brings it up.
/// Owns:   the caller owns the descriptor (non-blocking); the device vanishes with it
/// Errors: ends the program with the reason
/// Source: kernel Documentation/networking/tuntap.rst
int open_tun(const std::string& name, const std::string& address, const std::string& peer,
             int queue_length);

} // namespace tonel::bench
