#pragma once

#include "actors/app/settings/option_table.hpp"
#include "actors/app/settings/settings.hpp"
#include "protocol/expected.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace tonel::actors::app {

/// The content of the tunnel's --handshake-packet file; null: no file is named.
/// Errors: the file cannot be read, is empty, or does not fit one segment at the device's MTU
[[nodiscard]] expected<std::shared_ptr<const std::vector<std::uint8_t>>, option_error>
read_handshake_packet(const named_file& file, const config& run, const tunnel_config& tunnel);

} // namespace tonel::actors::app
