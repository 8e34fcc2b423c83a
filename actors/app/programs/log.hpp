#pragma once

#include "actors/app/settings/option_table.hpp"
#include "actors/app/settings/settings.hpp"
#include "protocol/expected.hpp"

namespace tonel::actors::app {

/// Sets up the log by the settings. journal: stderr is systemd's
/// Errors: the file cannot be opened; reported like a wrong option (exit code 2)
[[nodiscard]] expected<void, option_error> start_log(const settings& chosen, bool journal = false);

} // namespace tonel::actors::app
