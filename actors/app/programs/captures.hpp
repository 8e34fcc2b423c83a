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

/// Opens the file of --pcap; none where no capture is wanted. The file keeps its content until the
/// capture begins.
/// Errors: the file cannot be opened; reported like a wrong option (exit code 2)
[[nodiscard]] expected<std::optional<sys::capture_file>, option_error>
open_capture_file(const named_file& wanted);

/// Makes the capture of a process on its device. It logs when a capture ends by itself.
std::shared_ptr<sys::packet_capture> make_captures(role side, const std::string& device);

/// Carry out `tonelctl pcap start` and `stop`; give tonelctl's answer.
/// Units:  limit_mib in MiB
/// Errors: the answer, in words
/// Thread: any that may block
[[nodiscard]] expected<std::string, std::string>
start_capture(sys::packet_capture& captures, const std::string& path, std::uint64_t limit_mib);
[[nodiscard]] expected<std::string, std::string> stop_capture(sys::packet_capture& captures);

} // namespace tonel::actors::app
