#pragma once

#include "actors/shard/config.hpp"

namespace tonel::actors::app {

/// The main function of tonelc and tonels, which picks the concrete types of every layer.
/// Gives the exit code: 0 after SIGINT or SIGTERM; 1 if the host refuses something, or after a
/// fault; 2 for a wrong command line, before anything on the host has changed.
int run(role side, int argc, char** argv);

} // namespace tonel::actors::app
