#include "protocol/errc.hpp"

namespace tonel::protocol {

const char* to_string(errc e) noexcept {
  switch (e) {
  case errc::truncated: return "truncated";
  case errc::bad_version: return "bad_version";
  case errc::bad_header_length: return "bad_header_length";
  case errc::bad_length: return "bad_length";
  case errc::bad_checksum: return "bad_checksum";
  case errc::bad_options: return "bad_options";
  case errc::bad_flags: return "bad_flags";
  case errc::fragment: return "fragment";
  case errc::not_tcp: return "not_tcp";
  case errc::icmp_ignored: return "icmp_ignored";
  case errc::out_of_window: return "out_of_window";
  case errc::unproven: return "unproven";
  case errc::no_stream: return "no_stream";
  case errc::rst_limited: return "rst_limited";
  case errc::hold_full: return "hold_full";
  case errc::not_allowed: return "not_allowed";
  case errc::bad_hello: return "bad_hello";
  case errc::replayed_hello: return "replayed_hello";
  case errc::path_ends_tcp: return "path_ends_tcp";
  case errc::no_session: return "no_session";
  case errc::too_large: return "too_large";
  case errc::window_closed: return "window_closed";
  case errc::not_open: return "not_open";
  case errc::wrong_token: return "wrong_token";
  case errc::guess_limited: return "guess_limited";
  case errc::unacknowledged: return "unacknowledged";
  case errc::count_: break;
  }
  return "unknown";
}

} // namespace tonel::protocol
