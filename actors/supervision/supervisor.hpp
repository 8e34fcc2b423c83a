#pragma once

#include "actors/supervision/child.hpp"
#include "protocol/time.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace tonel::actors {

/// Keeps children: starts them in the order of their stages, restarts ended ones by their plans, each
/// alone, and ends them in reverse. It has no actors and no clock: its owner reports ends and the
/// time, and looks at the next deadline after each call.
/// Shape: a stage is ended once nothing is left of later stages
/// Owns:  the descriptions; children must not call it
class supervisor {
public:
  using child_id = std::uint64_t;

  /// The consequence of a child's end.
  struct outcome {
    enum class kind : std::uint8_t {
      stranger, ///< it is no child
      expected, ///< it was ended, or is never started again
      restarts, ///< it will be started again
      given_up, ///< its plan's budget is used up: the owner fails
    };
    kind is = kind::stranger;
    child_id who = 0;
    /// restarts: the time until then
    protocol::duration wait{0};
  };

  /// Adds a child, which start() starts.
  child_id add(child what);
  /// Starts children that were not started yet, stage by stage.
  void start(protocol::time_point now);
  /// An actor has ended. number: from child::start
  outcome on_down(std::uint64_t number, protocol::time_point now);
  /// Members of a group have ended.
  void on_left(protocol::time_point now) { advance(now); }
  void on_timer(protocol::time_point now);
  std::optional<protocol::time_point> next_deadline() const;

  /// Ends one child for good; it is forgotten once it has ended.
  void retire(child_id who, protocol::time_point now);
  /// Ends all children, the last stage first.
  void stop(protocol::time_point now);
  /// Ends all children, the last stage first, without waiting: the owner is about to end itself.
  void abandon(ending how);

  /// Whether children are being started and restarted, not ended.
  bool at_work() const noexcept { return !stopping_; }
  /// Whether stop() was called, and no child is left.
  bool ended() const noexcept;
  /// The description of a child that exists.
  const child& description(child_id who) const;

private:
  enum class state : std::uint8_t { idle, running, ending };
  struct entry {
    child_id id = 0;
    child what;
    state is = state::idle;
    bool begun_before = false;
    bool retired = false;
    std::uint64_t number = 0;
    protocol::time_point since{};
    std::optional<protocol::time_point> restart_at = std::nullopt, kill_at = std::nullopt;
  };
  void begin(entry& e, protocol::time_point now);
  void begin_all(protocol::time_point now);
  void end(entry& e, ending how, protocol::time_point now);
  void forget(child_id who);
  /// Continues stopping as far as possible: the last stage first.
  void advance(protocol::time_point now);

  std::vector<entry> children_; ///< ordered by stage, then by add()
  child_id last_id_ = 0;
  bool stopping_ = false;
};

} // namespace tonel::actors
