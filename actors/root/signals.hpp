#pragma once

#include <functional>
#include <vector>

namespace tonel::actors {

/// The action for each signal; orders come from users and the service manager.
struct signal_orders {
  std::function<void()> report;     ///< SIGUSR1
  std::function<void()> reopen_log; ///< SIGUSR2; may be null
  std::function<void()> reload;     ///< SIGHUP
  std::function<void()> stop;       ///< SIGINT, SIGTERM
};

/// Runs the action of each signal, in order; ignores others.
void obey(const std::vector<int>& signals, const signal_orders& orders);

} // namespace tonel::actors
