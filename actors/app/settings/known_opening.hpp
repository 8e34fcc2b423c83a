#pragma once

#include "protocol/bytes.hpp"

#include <string_view>

namespace tonel::actors::app {

/// The protocol of a TCP connection, by the first octets of either side: "TLS"; empty: none that
/// inspectors recognise by its beginning.
std::string_view known_opening(protocol::byte_view first) noexcept;

} // namespace tonel::actors::app
