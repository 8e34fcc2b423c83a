#pragma once

#include "system/service_manager.hpp"

#include <string>
#include <utility>
#include <vector>

namespace tonel::sys {

/// A service manager that keeps the calls.
class memory_service_manager final : public service_manager {
public:
  void ready() noexcept override { said.emplace_back("ready"); }
  void reloading() noexcept override { said.emplace_back("reloading"); }
  void stopping() noexcept override { said.emplace_back("stopping"); }
  void status(std::string_view line) noexcept override { statuses.emplace_back(line); }
  void alive() noexcept override { ++fed; }
  protocol::duration watchdog_interval() const noexcept override { return interval; }

  protocol::duration interval{};
  std::vector<std::string> said;
  std::vector<std::string> statuses;
  int fed = 0;
};

} // namespace tonel::sys
