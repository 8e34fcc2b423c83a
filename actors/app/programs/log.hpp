#pragma once

#include "actors/app/settings/option_table.hpp"
#include "actors/app/settings/settings.hpp"
#include "protocol/expected.hpp"

namespace tonel::actors::app {

/// Sets the log up as the settings want it; `journal`: stderr is systemd's.
/// Errors: the file cannot be opened; reported as the other wrong options are (exit code 2)
[[nodiscard]] expected<void, option_error> start_log(const settings& chosen, bool journal = false);

} // namespace tonel::actors::app
