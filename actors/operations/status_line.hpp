#pragma once

#include "actors/shard/counters.hpp"
#include "protocol/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tonel::actors {

/// The status line: the number of sessions, and the rates since the last call.
/// Shape: "2 sessions", with "; 1.5 Mbit/s in, 320 kbit/s out" if datagrams passed; in: out of the
///        tunnel
class status_line {
public:
  explicit status_line(std::vector<const counters*> shards) : shards_(std::move(shards)) {}
  /// The line now.
  std::string at(protocol::time_point now);

private:
  std::uint64_t sum(counter c) const noexcept;

  std::vector<const counters*> shards_;
  std::optional<protocol::time_point> since_;
  std::uint64_t in_ = 0, out_ = 0;
};

} // namespace tonel::actors
