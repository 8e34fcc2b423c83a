#pragma once

#include "system/rule_text.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tonel::sys {

// What each system tells of itself to code that all have.

struct wanted_sysctl {
  std::string name;
  std::string value;
};

/// The sysctls that a plan needs, in the order in which they have to be set.
std::vector<wanted_sysctl> wanted_sysctls(const rule_plan& plan);

/// Where an administrator writes down a sysctl that shall stay.
const char* where_sysctls_stay() noexcept;

/// When this process was started, in units of the system's; 0: that cannot be told.
std::uint64_t own_start();

/// Another one after each boot.
std::string boot_id();

/// Another one for each network that processes of this host can have; one word.
std::string network_namespace();

} // namespace tonel::sys
