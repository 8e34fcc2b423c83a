#pragma once

#include "actors/app/settings/option_table.hpp"
#include "actors/app/settings/settings.hpp"
#include "protocol/expected.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace tonel::actors::app {

/// The content of the file that --handshake-packet names for the tunnel; null where none is named.
/// Errors: it cannot be read, is empty, or does not fit one segment of a device of this MTU
[[nodiscard]] expected<std::shared_ptr<const std::vector<std::uint8_t>>, option_error>
read_handshake_packet(const named_file& file, const config& run, const tunnel_config& tunnel);

} // namespace tonel::actors::app
