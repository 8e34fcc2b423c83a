#pragma once

#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <vector>

namespace tonel::sys {

/// The marks of rules of policy routing that hold for all packets without the mark, as wg-quick makes one
/// for a default route ("not fwmark 51820 lookup 51820"), in the kernel's order.
/// Errors: the kernel's
/// Thread: blocks for the kernel's answer
/// Source: man 7 rtnetlink; linux/fib_rules.h
result<std::vector<std::uint32_t>> spared_marks(kernel& k, bool v6);

} // namespace tonel::sys
