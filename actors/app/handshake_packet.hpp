#pragma once

#include "actors/app/option_table.hpp"
#include "actors/app/settings.hpp"
#include "protocol/expected.hpp"

namespace tonel::actors::app {

/// Reads the file that --handshake-packet names, if it does, into the tunnel's settings.
/// Errors: it cannot be read, is empty, or does not fit one segment of a device of this MTU
expected<void, option_error> read_handshake_packet(settings& chosen);

} // namespace tonel::actors::app
