#pragma once

#include "actors/app/settings.hpp"
#include "actors/app/value_reader.hpp"

namespace tonel::actors::app {

/// What the process shows of itself: control, metrics and captures.
void read_status(reader& in, settings& out);

} // namespace tonel::actors::app
