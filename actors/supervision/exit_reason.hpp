#pragma once

#include "actors/supervision/child.hpp"

#include <caf/exit_reason.hpp>

namespace tonel::actors {

/// What an actor is sent that is to end so.
inline caf::exit_reason reason_of(ending how) noexcept {
  return how == ending::asked ? caf::exit_reason::user_shutdown : caf::exit_reason::kill;
}

} // namespace tonel::actors
