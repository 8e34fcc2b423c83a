#pragma once

#include "protocol/ip_net.hpp"

namespace tonel::sys {

using protocol::ip_net;

} // namespace tonel::sys
