#pragma once

#include "actors/app/option_table.hpp"
#include "actors/app/settings.hpp"
#include "protocol/expected.hpp"

namespace tonel::actors::app {

/// Sets the log up as the settings want it.
/// Errors: the file cannot be opened; reported as the other wrong options are (exit code 2)
[[nodiscard]] expected<void, option_error> start_log(const settings& chosen);

} // namespace tonel::actors::app
