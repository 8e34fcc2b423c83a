#pragma once

#include "protocol/bytes.hpp"

#include <functional>

namespace tonel::actors {

/// Lets tests make actors fail: throws where a fault is wanted, else does nothing; empty without
/// tests.
/// place: "client-stream" or "server-stream", with a chunk of datagrams, or "shard", without.
///        Faults at a seam come from the seam (system/decorators/faulty.hpp).
using fault_provoker = std::function<void(const char* place, protocol::byte_view datagrams)>;

} // namespace tonel::actors
