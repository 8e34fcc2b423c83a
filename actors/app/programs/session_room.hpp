#pragma once

#include "actors/shard/config.hpp"
#include "system/socket_budget.hpp"

#include <optional>

namespace tonel::actors::app {

/// Lowers the limit on sessions to the descriptors (server) or TCP ports (client) that the process
/// can have, and raises the former to the kernel's limit. A configured limit that is lowered is
/// logged. Gives the budget of the server's sockets to the upstream; none for a client.
std::optional<sys::socket_budget> limit_sessions(config& run);

} // namespace tonel::actors::app
