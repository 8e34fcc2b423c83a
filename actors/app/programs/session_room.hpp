#pragma once

#include "actors/shard/config.hpp"
#include "system/socket_budget.hpp"

#include <optional>

namespace tonel::actors::app {

/// Keeps the sessions to what the kernel gives a process, and some of that back from them; what is left
/// for the server's sockets. A bound that somebody asked for and does not get is logged.
std::optional<sys::socket_budget> limit_sessions(config& run);

} // namespace tonel::actors::app
