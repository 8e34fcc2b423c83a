#pragma once

#include "actors/app/settings/option_table.hpp"
#include "actors/app/settings/settings.hpp"
#include "protocol/expected.hpp"
#include "system/decorators/packet_capture.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace tonel::actors::app {

/// Opens the file of --pcap; nothing where none is wanted. Its content stays until the capture begins.
[[nodiscard]] expected<std::optional<sys::capture_file>, option_error>
open_capture_file(const named_file& wanted);

/// The captures of a process on its device; what ends one by itself is logged.
std::shared_ptr<sys::packet_capture> make_captures(role side, const std::string& device);

/// What tonelctl asks for, and what is said to that.
/// Thread: may block
[[nodiscard]] expected<std::string, std::string>
start_capture(sys::packet_capture& captures, const std::string& path, std::uint64_t limit_mib);
[[nodiscard]] expected<std::string, std::string> stop_capture(sys::packet_capture& captures);

} // namespace tonel::actors::app
