#pragma once

#include "system/direct_path.hpp"

#include <algorithm>
#include <cerrno>
#include <vector>

namespace tonel::sys {

/// A direct path that keeps what it is told.
class memory_direct_path final : public direct_path {
public:
  result<direct_report> ensure(const direct_plan& plan) override {
    plans.push_back(plan);
    if (error != 0) return unexpected{os_error{error, "direct path", plan.tun}};
    return report;
  }
  result<void> take(const protocol::four_tuple& connection) override {
    if (taken.size() >= room) return unexpected{os_error{ENOSPC, "direct path", {}}};
    taken.push_back(connection);
    return {};
  }
  void release(const protocol::four_tuple& connection) noexcept override {
    taken.erase(std::remove(taken.begin(), taken.end(), connection), taken.end());
  }
  direct_counters counters() const override { return counted; }

  std::vector<direct_plan> plans;          ///< of each ensure()
  std::vector<protocol::four_tuple> taken; ///< and not released
  std::size_t room = 1'000'000;
  int error = 0; ///< errno of ensure()
  direct_report report;
  direct_counters counted;
};

} // namespace tonel::sys
