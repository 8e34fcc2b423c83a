#pragma once

#include "system/rule_text.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tonel::sys {

// Functions of each operating system that common code calls.

/// A sysctl and the value that it has to have.
struct wanted_sysctl {
  std::string name;
  std::string value;
};

/// The sysctls that a plan needs, in the order to set them.
std::vector<wanted_sysctl> wanted_sysctls(const rule_plan& plan);

/// Where an administrator makes a sysctl permanent, in words.
const char* where_sysctls_stay() noexcept;

/// The start time of this process, in units of the system; 0: unknown.
std::uint64_t own_start();

/// An id of the present boot.
std::string boot_id();

/// An id of the network namespace of this process; one word.
std::string network_namespace();

} // namespace tonel::sys
