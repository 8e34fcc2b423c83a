#pragma once

#include <functional>
#include <vector>

namespace tonel::actors {

/// What the signals of the process stand for: people's and the service manager's wishes.
struct signal_orders {
  std::function<void()> report;     ///< SIGUSR1
  std::function<void()> reopen_log; ///< SIGUSR2; may be null
  std::function<void()> reload;     ///< SIGHUP
  std::function<void()> stop;       ///< SIGINT, SIGTERM
};

/// Carries out each of these signals, in their order; others mean nothing.
void obey(const std::vector<int>& signals, const signal_orders& orders);

} // namespace tonel::actors
