#pragma once

#include "actors/supervision/restart.hpp"
#include "protocol/time.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace tonel::actors {

/// How a child is made to end.
enum class ending : std::uint8_t {
  asked,  ///< it winds down by itself
  killed, ///< at once
};

/// What the end of a child means for others, unless it was asked to end.
/// Source: OTP supervisors' strategies one_for_one and rest_for_one
enum class restart_rule : std::uint8_t {
  alone,     ///< it is started again, and the others go on
  with_rest, ///< those of later stages are ended, and started again with it
};

/// How often children that end are started again, and after how long. Those that share one use it up
/// together.
struct restart_plan {
  std::optional<restart_budget> budget; ///< none: however often they end
  backoff wait;
  /// After a life of so long the waits begin anew; none: they never do.
  std::optional<protocol::duration> steady_after = std::nullopt;
};

/// What a supervisor knows of one of its children.
/// Shape: an actor; or, where `gone` is set, a group whose members come and go by themselves
struct child {
  std::string name; ///< for the log
  /// Those of an earlier stage are started first and ended last; those of one stage together.
  std::size_t stage = 0;
  /// Starts it and gives the number by which its end will be told (caf::actor_id; 0 for a group).
  /// again: it has been started before
  std::function<std::uint64_t(bool again)> start;
  std::function<void(ending how)> stop;
  /// No member of the group is left; null: the child is an actor.
  std::function<bool()> gone = nullptr;
  restart_rule rule = restart_rule::alone;
  std::shared_ptr<restart_plan> plan = nullptr; ///< null: it is never started again
  /// For so long it may wind down before it is killed; none: as long as it takes.
  std::optional<protocol::duration> stop_after = std::nullopt;
};

} // namespace tonel::actors
