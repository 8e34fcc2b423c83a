#include "actors/supervision/restart.hpp"

#include <caf/atom.hpp>

namespace tonel::actors {

const char* to_string(ec e) noexcept {
  switch (e) {
  case ec::none: return "none";
  case ec::restart_limit: return "restart_limit";
  }
  return "unknown";
}

caf::error make_error(ec e) { return {static_cast<std::uint8_t>(e), caf::atom("tonel")}; }

} // namespace tonel::actors
