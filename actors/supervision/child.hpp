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

/// How to end a child.
enum class ending : std::uint8_t {
  asked,  ///< it is asked to end by itself
  killed, ///< it ends at once
};

/// How often and after which wait ended children are started again. Children that share a plan use
/// it up together.
struct restart_plan {
  std::optional<restart_budget> budget; ///< none: no limit
  backoff wait;
  /// The life after which waits begin anew; none: they never do.
  std::optional<protocol::duration> steady_after = std::nullopt;
};

/// The description of a child for its supervisor.
/// Shape: an actor; or, if `gone` is set, a group whose members come and go by themselves
struct child {
  std::string name; ///< for the log
  /// Earlier stages start first and end last; children of one stage start and end together.
  std::size_t stage = 0;
  /// Starts the child; gives the number for supervisor::on_down() (caf::actor_id; 0 for a group).
  /// again: it was started before
  std::function<std::uint64_t(bool again)> start;
  std::function<void(ending how)> stop;
  /// Whether no member of the group is left; null: the child is an actor.
  std::function<bool()> gone = nullptr;
  std::shared_ptr<restart_plan> plan = nullptr; ///< null: never started again
  /// The time to end by itself before it is killed; none: no limit.
  std::optional<protocol::duration> stop_after = std::nullopt;
};

} // namespace tonel::actors
