#pragma once

#include "actors/shard/tunnel_config.hpp"
#include "protocol/session/opening_failure.hpp"
#include "protocol/time.hpp"

#include <string>

namespace tonel::actors {

/// Why nothing gets through a tunnel, and what is likely behind it, in one line for a user.
std::string words_of(const protocol::opening_failure& what, const tunnel_config& tunnel);
/// That it is over, after so long.
std::string words_of_end(const protocol::opening_failure& what, const tunnel_config& tunnel,
                         protocol::duration lasted);
/// "25 s", "3 min 10 s", "2 h 5 min"
std::string length_text(protocol::duration length);

} // namespace tonel::actors
