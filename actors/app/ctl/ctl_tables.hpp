#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace tonel::actors::app {

/// An answer of the control socket as text for people; "": it is no such answer.
/// all: also options that are as without being given, shards that answer, and counters
std::string status_table(const std::string& json, bool all);
std::string sessions_table(const std::string& json);
std::string counters_table(const std::string& json);

/// "2d 3h", "3h 4m", "4m 5s", "5s"
std::string duration_text(std::int64_t seconds);

using counter_values = std::map<std::string, std::uint64_t>;

/// The totals in an answer to "counters".
counter_values counters_in(const std::string& json);
/// What has grown, a line each; "" where nothing has.
std::string counters_gained(const counter_values& before, const counter_values& now);

} // namespace tonel::actors::app
