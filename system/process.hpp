#pragma once

#include "protocol/bytes.hpp"
#include "protocol/time.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace tonel::sys {

/// The time of CLOCK_BOOTTIME, which includes suspend.
protocol::time_point boottime_now() noexcept;
/// The time of CLOCK_MONOTONIC, which does not include suspend, since an unspecified start.
protocol::duration monotonic_now() noexcept;

/// Fills `out` with unpredictable octets. Blocks only in the first moments after boot.
/// Errors: ENOSYS (before Linux 3.17); end the process
result<void> fill_random(protocol::byte_span out);

/// Raises RLIMIT_NOFILE to the hard limit; gives the limit now in force.
std::uint64_t raise_fd_limit() noexcept;

/// The id of this process.
int process_id() noexcept;

/// The effective user of this process.
std::uint32_t user_id() noexcept;

/// The packets dropped for a full queue of the interface; none: there is no such interface.
std::optional<std::uint64_t> interface_drops(const std::string& name);

/// Sets how late the kernel may end this thread's waits, to merge wake-ups; the default is 50 us.
void set_timer_slack(protocol::duration slack) noexcept;

/// Names the calling thread for tools such as ps; only 15 characters count.
void name_thread(const std::string& name) noexcept;

} // namespace tonel::sys
