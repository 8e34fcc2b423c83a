#pragma once

#include "protocol/time.hpp"
#include "system/service_manager.hpp"

#include <functional>
#include <memory>
#include <string>

namespace tonel::actors {

/// What the service manager is told of the process: when it is ready, reloads and stops, and how it is.
/// Shape: ready once all shards are up and the rules, where some are wanted, have been tried; and again
///        after each reload
class readiness {
public:
  /// A line on how the tunnels are doing.
  using status_line_at = std::function<std::string(protocol::time_point)>;

  /// Without a manager nothing is told to anybody.
  readiness() = default;
  /// manager: may be null; rules: some are wanted; status: may be null
  readiness(sys::service_manager* manager, bool rules, status_line_at status);

  /// All shards know each other, or one is missing.
  void shards_are_up(bool all);
  /// The rules have been tried.
  void rules_tried();
  /// What is wrong with the rules; empty: nothing.
  void rules_problem(const std::string& problem);
  void reload_begins();
  void reload_ends();
  void stopping();

  /// The manager watches the process; null: it does not.
  sys::service_manager* watching() const;
  /// The line that is told while it watches; may outlive this.
  status_line_at told_status() const;

private:
  /// Tells once that all is there.
  void settle();

  sys::service_manager* manager_ = nullptr;
  status_line_at status_;
  bool shards_up_ = false, rules_tried_ = false;
  bool told_ready_ = false, stopping_ = false;
  std::shared_ptr<std::string> problem_ = std::make_shared<std::string>(); ///< the watchdog's, too
};

} // namespace tonel::actors
