#pragma once

#include "protocol/packet.hpp"

#include <cstdint>
#include <string>

namespace tonel::actors {

/// A segment, or several merged ones, as tcpdump -nS prints it.
/// Shape:  "IP 10.0.0.1.443 > 10.0.0.2.40000: Flags [P.], seq 1:77, ack 5, win 65535, length 76"
std::string segment_text(const protocol::segment_repr& in);
std::string segment_text(const protocol::segment_header& out, std::uint32_t length);

} // namespace tonel::actors
