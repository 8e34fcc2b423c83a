#include "protocol/session/session_effects.hpp"

namespace tonel::protocol {

const char* to_string(standing s) noexcept {
  switch (s) {
  case standing::opening: return "opening";
  case standing::open: return "open";
  case standing::silent: return "silent";
  case standing::idle: return "idle";
  case standing::waiting: return "waiting";
  case standing::closing: return "closing";
  }
  return "";
}

} // namespace tonel::protocol
