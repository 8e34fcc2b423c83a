#pragma once

#include "actors/supervision/child.hpp"
#include "protocol/time.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace tonel::actors {

/// Keeps children: starts them in the order of their stages, starts those that end again as their rule
/// and plan say, and ends them in reverse. It has neither actors nor a clock: its owner tells it of ends
/// and of the time, and looks at the next deadline after each call.
/// Shape: a stage is asked to end when nothing is left of the later ones
/// Owns:  the descriptions; no child calls back into it
class supervisor {
public:
  using child_id = std::uint64_t;

  /// What the end of a child has come to.
  struct outcome {
    enum class kind : std::uint8_t {
      stranger, ///< it is not one of these
      expected, ///< it was to end, or is never started again
      restarts, ///< it is started again
      given_up, ///< its plan's budget is used up: the owner's failure now
    };
    kind is = kind::stranger;
    child_id who = 0;
    protocol::duration wait{
        0}; ///< restarts: after so long; with_rest: not before the rest has ended
  };

  /// Another child; start() begins it.
  child_id add(child what);
  /// Begins what has not been begun, stage by stage; nothing while others have to end first.
  void start(protocol::time_point now);
  /// An actor has ended.
  outcome on_down(std::uint64_t number, protocol::time_point now);
  /// Members of a group have ended.
  void on_left(protocol::time_point now) { advance(now); }
  void on_timer(protocol::time_point now);
  std::optional<protocol::time_point> next_deadline() const;

  /// Ends one child for good; it is forgotten when it has ended.
  void retire(child_id who, protocol::time_point now);
  /// Ends all, the last stage first.
  void stop(protocol::time_point now);
  /// Makes all end, the last stage first, and waits for none: the owner is about to be gone itself.
  void abandon(ending how);

  /// Children are started, and started again, at this moment.
  bool at_work() const noexcept { return phase_ == phase::working; }
  /// stop() has been called, and nothing is left.
  bool ended() const noexcept;
  const child& description(child_id who) const;

private:
  enum class phase : std::uint8_t {
    working,
    clearing, ///< the rest has to end
    resting,  ///< until again_at_
    stopping,
  };
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
  /// Whose end has the later stages cleared away.
  struct rest {
    std::size_t stage = 0;
    std::shared_ptr<restart_plan> plan;
  };
  void begin(entry& e, protocol::time_point now);
  void begin_all(protocol::time_point now);
  void end(entry& e, ending how, protocol::time_point now);
  void forget(child_id who);
  /// Goes on with clearing and stopping as far as it can.
  void advance(protocol::time_point now);
  /// Ends the stages from `first` on, the last one first. True: nothing of them is left.
  bool clear(std::size_t first, ending how, protocol::time_point now);

  std::vector<entry> children_; ///< in order of their stages, then of add()
  child_id last_id_ = 0;
  phase phase_ = phase::working;
  rest rest_; ///< clearing
  std::optional<protocol::time_point> again_at_;
};

} // namespace tonel::actors
