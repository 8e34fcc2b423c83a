#pragma once

#include "actors/supervision/child.hpp"

#include <caf/exit_reason.hpp>

namespace tonel::actors {

/// The exit reason to send to an actor, to end it this way.
inline caf::exit_reason reason_of(ending how) noexcept {
  return how == ending::asked ? caf::exit_reason::user_shutdown : caf::exit_reason::kill;
}

} // namespace tonel::actors
