#pragma once

#include "protocol/time.hpp"
#include "system/service_manager.hpp"

#include <functional>
#include <memory>
#include <string>

namespace tonel::actors {

/// Tells the service manager when the process is ready, reloads and stops, and its status line.
/// Shape: ready is told once all shards are up and the rules, if wanted, have been tried; and again
///        after each reload
class readiness {
public:
  /// Gives the status line of the tunnels.
  using status_line_at = std::function<std::string(protocol::time_point)>;

  /// Without a service manager: all calls do nothing.
  readiness() = default;
  /// manager: may be null; rules: whether rules are wanted; status: may be null
  readiness(sys::service_manager* manager, bool rules, status_line_at status);

  /// all: every shard is up and knows the others; false: one is missing.
  void shards_are_up(bool all);
  /// The rules have been tried.
  void rules_tried();
  /// The problem with the rules, for the status line; empty: none.
  void rules_problem(const std::string& problem);
  void reload_begins();
  void reload_ends();
  void stopping();

  /// The service manager, if it wants its watchdog fed; else null.
  sys::service_manager* watching() const;
  /// The status line with the rules' problem, for the watchdog. It may outlive this object.
  status_line_at told_status() const;

private:
  /// Tells "ready", once, when everything is there.
  void settle();

  sys::service_manager* manager_ = nullptr;
  status_line_at status_;
  bool shards_up_ = false, rules_tried_ = false;
  bool told_ready_ = false, stopping_ = false;
  std::shared_ptr<std::string> problem_ = std::make_shared<std::string>(); ///< told_status()'s, too
};

} // namespace tonel::actors
