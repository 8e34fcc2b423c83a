#include "system/process.hpp"

#include "system/kernel.hpp"
#include "system/linux/netlink.hpp"

#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace tonel::sys {

protocol::time_point boottime_now() noexcept {
  return protocol::time_point{protocol::duration{real_kernel().clock(CLOCK_BOOTTIME)}};
}

protocol::duration monotonic_now() noexcept {
  return protocol::duration{real_kernel().clock(CLOCK_MONOTONIC)};
}

result<void> fill_random(protocol::byte_span out) {
  for (std::size_t filled = 0; filled < out.size();) {
    const auto n = ::getrandom(out.data() + filled, out.size() - filled, 0);
    if (n > 0)
      filled += static_cast<std::size_t>(n);
    else if (errno != EINTR)
      return unexpected{os_error{errno, "getrandom", {}}};
  }
  return {};
}

std::uint64_t raise_fd_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024; // the smallest usual default
  const auto before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

int process_id() noexcept { return ::getpid(); }

std::uint32_t user_id() noexcept { return ::geteuid(); }

std::optional<std::uint64_t> interface_drops(const std::string& name) {
  auto netlink = route_netlink::open(real_kernel());
  if (!netlink) return {};
  const auto link = netlink->find_link(name);
  if (!link || !*link) return {};
  return (*link)->tx_dropped;
}

void set_timer_slack(protocol::duration slack) noexcept {
  // 0 means the default.
  const auto ns = static_cast<unsigned long>(std::max<std::int64_t>(1, slack.count()));
  ::prctl(PR_SET_TIMERSLACK, ns, 0, 0, 0);
}

void name_thread(const std::string& name) noexcept { ::prctl(PR_SET_NAME, name.c_str(), 0, 0, 0); }

} // namespace tonel::sys
