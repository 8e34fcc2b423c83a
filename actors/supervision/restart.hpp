#pragma once

#include "protocol/session/backoff.hpp"

#include <caf/error.hpp>

#include <cstdint>

namespace tonel::actors {

/// Why a supervisor has ended itself.
enum class ec : std::uint8_t {
  none,
  restart_limit, ///< a child failed more often than its budget permits
};
const char* to_string(ec e) noexcept;
caf::error make_error(ec e);

using protocol::backoff;
using protocol::restart_budget;

} // namespace tonel::actors
