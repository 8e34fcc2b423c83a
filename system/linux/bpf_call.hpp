#pragma once

#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <functional>

namespace tonel::sys {

/// Attaches a program to an interface's ingress, ahead of the programs that are there: one of them may
/// let packets pass so that none behind it sees them. It stays as long as the descriptor.
/// Errors: EINVAL: before Linux 6.6
/// Source: kernel Documentation/bpf, BPF_LINK_CREATE with BPF_TCX_INGRESS; libbpf has it since 1.3
result<descriptor> attach_tcx(std::uint32_t interface, int program);

/// Whether the program is still attached to this interface: the interface may have gone, and others can
/// detach it.
bool is_attached(const descriptor& link, std::uint32_t interface) noexcept;

/// Whether this thread has CAP_PERFMON, or CAP_SYS_ADMIN, which is as much.
bool has_perfmon() noexcept;

/// Gives up CAP_BPF and CAP_PERFMON in this thread and those that it will make, if `works` says that what is left to be
/// done goes on without it: before Linux 5.19 each call may need the former. Whoever has CAP_SYS_ADMIN,
/// which is as much, keeps all.
void give_up_bpf(const std::function<bool()>& works);

} // namespace tonel::sys
