#pragma once

#include "protocol/bytes.hpp"
#include "protocol/time.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace tonel::sys {

/// CLOCK_BOOTTIME, which goes on in suspend.
protocol::time_point boottime_now() noexcept;
/// CLOCK_MONOTONIC, which does not; since an unspecified start.
protocol::duration monotonic_now() noexcept;

/// Unpredictable octets from the kernel. Blocks only in the first moments after boot.
/// Errors: ENOSYS (before Linux 3.17); the caller cannot go on
result<void> fill_random(protocol::byte_span out);

/// Raises RLIMIT_NOFILE to the hard limit, and gives the limit that holds now.
std::uint64_t raise_fd_limit() noexcept;

/// This process' number.
int process_id() noexcept;

/// The user that this process acts as.
std::uint32_t user_id() noexcept;

/// Packets that an interface had no room for in its queue; nothing: the interface is not there.
std::optional<std::uint64_t> interface_drops(const std::string& name);

/// How late the kernel may make this thread's timeouts, to merge wake-ups; the default is 50 us.
void set_timer_slack(protocol::duration slack) noexcept;

/// Names the calling thread for the system's tools; what exceeds 15 characters is cut off.
void name_thread(const std::string& name) noexcept;

} // namespace tonel::sys
