#pragma once

#include "protocol/bytes.hpp"

#include <functional>

namespace tonel::actors {

/// How a host makes actors fail, for tests: throws where it wants a fault, and otherwise does nothing.
/// Empty where nobody tests. The place is "client-stream" or "server-stream", with a chunk of datagrams,
/// or "shard", without; what an actor does at a seam fails by the seam (system/decorators/faulty.hpp).
using fault_provoker = std::function<void(const char* place, protocol::byte_view datagrams)>;

} // namespace tonel::actors
