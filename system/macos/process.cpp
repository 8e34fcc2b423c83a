#include "system/process.hpp"

#include "system/kernel.hpp"
#include "system/macos/abi.hpp"

#include <pthread.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace tonel::sys {

protocol::time_point boottime_now() noexcept {
  return protocol::time_point{protocol::duration{real_kernel().clock(darwin::boot_clock)}};
}

protocol::duration monotonic_now() noexcept {
  return protocol::duration{real_kernel().clock(darwin::awake_clock)};
}

result<void> fill_random(protocol::byte_span out) {
  constexpr std::size_t most = 256; // of getentropy()
  for (std::size_t filled = 0; filled < out.size();) {
    const auto n = std::min(most, out.size() - filled);
    if (::getentropy(out.data() + filled, n) != 0)
      return unexpected{os_error{errno, "getentropy", {}}};
    filled += n;
  }
  return {};
}

std::uint64_t raise_fd_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256; // the usual default
  const auto before = limit.rlim_cur;
  // The hard limit is mostly "none", which setrlimit() refuses; a process may have so many.
  int most = 0;
  std::size_t size = sizeof most;
  if (::sysctlbyname("kern.maxfilesperproc", &most, &size, nullptr, 0) != 0) return before;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, static_cast<rlim_t>(most));
  if (limit.rlim_cur <= before) return before;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

int process_id() noexcept { return ::getpid(); }

std::uint32_t user_id() noexcept { return ::geteuid(); }

std::optional<std::uint64_t> interface_drops(const std::string&) {
  // The system counts what an interface could not take in, not what it could not send.
  return {};
}

void set_timer_slack(protocol::duration) noexcept {
  // There is none of a thread's; the event loop's timers ask for none themselves.
}

void name_thread(const std::string& name) noexcept { ::pthread_setname_np(name.c_str()); }

} // namespace tonel::sys
