#pragma once

#include "protocol/bytes.hpp"

#include <string_view>

namespace tonel::actors::app {

/// The protocol that a TCP connection seems to be of by the first octets of either side: "TLS"; empty
/// for none that inspectors know by its beginning.
std::string_view known_opening(protocol::byte_view first) noexcept;

} // namespace tonel::actors::app
