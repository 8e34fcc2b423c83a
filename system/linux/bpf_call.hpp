#pragma once

#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <cstdint>

namespace tonel::sys {

/// Attaches a program to an interface's ingress, ahead of the programs that are there: one of them may
/// let packets pass so that none behind it sees them. It stays as long as the descriptor.
/// Errors: EINVAL: before Linux 6.6
/// Source: kernel Documentation/bpf, BPF_LINK_CREATE with BPF_TCX_INGRESS; libbpf has it since 1.3
result<descriptor> attach_tcx(std::uint32_t interface, int program);

/// Whether the program is still attached to this interface: the interface may have gone, and others can
/// detach it.
bool is_attached(const descriptor& link, std::uint32_t interface) noexcept;

} // namespace tonel::sys
