#include "protocol/session/session_effects.hpp"

namespace tonel::protocol {

const char* to_string(session_end why) noexcept {
  switch (why) {
  case session_end::idle: return "idle";
  case session_end::asked: return "as asked for";
  case session_end::closed_by_peer: return "by the other end";
  case session_end::streamless: return "without a connection for too long";
  case session_end::path_ends_tcp: return "the way ends TCP";
  }
  return "";
}

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
