#pragma once

#include "protocol/address.hpp"

#include <optional>
#include <string>

namespace tonel::sys {

/// The interface that has this address; nothing: none has, or it cannot be told.
std::optional<std::string> interface_with(const protocol::ip_address& address);

} // namespace tonel::sys
