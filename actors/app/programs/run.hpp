#pragma once

#include "actors/shard/config.hpp"

namespace tonel::actors::app {

/// The whole of tonelc or tonels: the one place that picks concrete types from every layer.
/// Gives the exit code: 0 after SIGINT or SIGTERM, 1 for what the host or a fault denies, 2 for a
/// wrong command line, before anything on the host has changed.
int run(role side, int argc, char** argv);

} // namespace tonel::actors::app
