#include "actors/root/readiness.hpp"

#include <utility>

namespace tonel::actors {

namespace {

std::string with_problem(std::string line, const std::string& rules) {
  return rules.empty() ? line : std::move(line) + "; firewall rules: " + rules;
}

} // namespace

readiness::readiness(sys::service_manager* manager, bool rules, status_line_at status)
    : manager_(manager), status_(std::move(status)), rules_tried_(!rules) {}

void readiness::settle() {
  if (manager_ == nullptr || stopping_ || told_ready_ || !shards_up_ || !rules_tried_) return;
  told_ready_ = true;
  rules_problem(*problem_);
  manager_->ready();
}

void readiness::shards_are_up(bool all) {
  shards_up_ = all;
  settle();
}

void readiness::rules_tried() {
  rules_tried_ = true;
  settle();
}

void readiness::rules_problem(const std::string& problem) {
  *problem_ = problem;
  // The watchdog, where there is one, keeps the line up to date itself.
  if (manager_ != nullptr && told_ready_ && status_ && watching() == nullptr)
    manager_->status(with_problem("running", *problem_));
}

void readiness::reload_begins() {
  if (manager_ != nullptr) manager_->reloading();
}

void readiness::reload_ends() {
  if (!told_ready_) return settle();
  if (!stopping_) manager_->ready();
}

void readiness::stopping() {
  stopping_ = true;
  if (manager_ != nullptr) manager_->stopping();
}

sys::service_manager* readiness::watching() const {
  const bool watches =
      manager_ != nullptr && manager_->watchdog_interval() > protocol::duration::zero();
  return watches ? manager_ : nullptr;
}

readiness::status_line_at readiness::told_status() const {
  return [line = status_, problem = problem_](protocol::time_point now) {
    return with_problem(line ? line(now) : "running", *problem);
  };
}

} // namespace tonel::actors
