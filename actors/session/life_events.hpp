#pragma once

#include "actors/runtime/log.hpp"
#include "actors/shard/leave_order.hpp"
#include "actors/shard/shard.hpp"
#include "protocol/address.hpp"
#include "protocol/hello.hpp"
#include "protocol/session/session_effects.hpp"
#include "protocol/session/stream_report.hpp"
#include "protocol/time.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tonel::actors {

// What the log tells of a session's life: at info that it was opened, goes on with another connection and was
// closed; at debug what its streams report, and how it is then.

/// Of which session a line is.
struct session_title {
  const tunnel_config& tunnel;
  protocol::session_id id{}; ///< zeros: of a legacy dialect, which has none
  protocol::endpoint peer;   ///< client: the application; server: the client
  std::string text() const;  ///< "session 9f31c0de of 192.0.2.1:4000"
};

/// False: not logged, as too many sessions come and go; then nothing else is to be said of it.
bool log_opened(shard& where, const session_title& session, protocol::profile wire,
                const protocol::endpoint& remote,
                const std::vector<std::uint16_t>& upstream_ports = {});
/// A connection that begins there has taken the place of another.
void log_rotated(shard& where, const session_title& session, const protocol::endpoint& before,
                 const protocol::endpoint& after);
/// why: as to_string(session_end) says it
void log_closed(const session_title& session, const char* why, const session_use& use,
                protocol::duration age);

/// A datagram of this many octets was dropped, and the largest that the path takes has `limit`.
void log_too_large(const session_title& session, std::uint32_t size, std::uint32_t limit);

inline bool debug_enabled() noexcept { return log_enabled(log_level::debug); }
void log_report(const session_title& session, const protocol::stream_report& report);
/// Where it stands otherwise than `before`, which is set to that.
void log_standing(const session_title& session, protocol::standing& before, protocol::standing now);

} // namespace tonel::actors
