#include "protocol/effects.hpp"

namespace tonel::protocol {

const char* to_string(end_reason r) noexcept {
  switch (r) {
  case end_reason::closed_by_us: return "closed_by_us";
  case end_reason::closed_by_peer: return "closed_by_peer";
  case end_reason::reset: return "reset";
  case end_reason::refused: return "refused";
  case end_reason::timed_out: return "timed_out";
  case end_reason::dead: return "dead";
  case end_reason::superseded: return "superseded";
  case end_reason::path_ends_tcp: return "path_ends_tcp";
  }
  return "unknown";
}

} // namespace tonel::protocol
