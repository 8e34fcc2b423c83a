#include "actors/root/signals.hpp"

#include <csignal>

namespace tonel::actors {

void obey(const std::vector<int>& signals, const signal_orders& orders) {
  for (const auto signal : signals) {
    switch (signal) {
    case SIGUSR1: orders.report(); break;
    case SIGUSR2:
      if (orders.reopen_log) orders.reopen_log();
      break;
    case SIGHUP: orders.reload(); break;
    case SIGINT:
    case SIGTERM: orders.stop(); break;
    default: break;
    }
  }
}

} // namespace tonel::actors
