#include "protocol/session/opening_failure.hpp"

namespace tonel::protocol {

const char* to_string(opening_cause c) noexcept {
  switch (c) {
  case opening_cause::no_answer: return "no_answer";
  case opening_cause::refused: return "refused";
  case opening_cause::unreachable: return "unreachable";
  case opening_cause::mute: return "mute";
  case opening_cause::hung_up: return "hung_up";
  case opening_cause::reset_at_hello: return "reset_at_hello";
  case opening_cause::not_tonel: return "not_tonel";
  case opening_cause::older_dialect: return "older_dialect";
  case opening_cause::path_ends_tcp: return "path_ends_tcp";
  case opening_cause::other_key: return "other_key";
  case opening_cause::no_reply: return "no_reply";
  case opening_cause::unresolved: return "unresolved";
  case opening_cause::no_route: return "no_route";
  case opening_cause::own_host: return "own_host";
  case opening_cause::no_family: return "no_family";
  case opening_cause::no_port: return "no_port";
  case opening_cause::not_taken: return "not_taken";
  case opening_cause::stream_failed: return "stream_failed";
  case opening_cause::upstream_refused: return "upstream_refused";
  case opening_cause::upstream_unreachable: return "upstream_unreachable";
  case opening_cause::count_: break;
  }
  return "unknown";
}

bool keeps_from_opening(opening_cause c) noexcept {
  switch (c) {
  case opening_cause::no_answer:
  case opening_cause::refused:
  case opening_cause::unreachable:
  case opening_cause::mute:
  case opening_cause::hung_up:
  case opening_cause::reset_at_hello:
  case opening_cause::not_tonel:
  case opening_cause::older_dialect:
  case opening_cause::path_ends_tcp: return true;
  default: return false;
  }
}

} // namespace tonel::protocol
