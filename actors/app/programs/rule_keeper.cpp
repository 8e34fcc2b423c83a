#include "actors/app/programs/rule_keeper.hpp"

#include "actors/app/programs/host_faults.hpp"
#include "actors/app/settings/host_commands.hpp"
#include "actors/runtime/log.hpp"
#include "system/direct_rules.hpp"
#include "system/instance_state.hpp"
#include "system/kernel.hpp"
#include "system/process.hpp"

#include <utility>

namespace tonel::actors::app {

rule_keeper::rule_keeper(const settings& chosen, const std::string& tun, sys::worker& worker,
                         const std::shared_ptr<sys::direct_path>& path) {
  start_.request = rule_request_of(chosen, tun);
  start_.direct = path != nullptr;
  if (path)
    keep_path(path, worker);
  else
    keep_rules(chosen, worker);
}

void rule_keeper::keep_rules(const settings& chosen, sys::worker& worker) {
  rules_ = std::make_shared<sys::host_rules>(sys::runtime_folder(), chosen.firewall.backend);
  // The job shares ownership of the rules: if it hangs, the process ends without waiting.
  start_.ensure = [&worker, rules = rules_](const sys::rule_request& request, auto done) {
    worker.run([rules, request] { return rules->ensure(request); }, std::move(done));
  };
  start_.concerns = [rules = rules_](const std::string& table) { return rules->concerns(table); };
  watch_changes();
  const auto done = rules_->ensure(start_.request);
  if (!done) {
    log_error("cannot set the firewall rules: ", done.error());
    return;
  }
  for (const auto& text : done->notes)
    log_warn(text);
}

void rule_keeper::keep_path(const std::shared_ptr<sys::direct_path>& path, sys::worker& worker) {
  const auto kept = std::make_shared<sys::direct_rules>(path, sys::runtime_folder());
  start_.ensure = [&worker, kept](const sys::rule_request& request, auto done) {
    worker.run([kept, request] { return kept->ensure(request); }, std::move(done));
  };
  start_.concerns = [](const std::string&) { return false; };
  watch_changes();
  // Before the process is ready; the actor tells the outcome.
  if (const auto done = kept->ensure(start_.request); !done)
    log_error("cannot set the direct path up: ", done.error());
}

rule_keeper::~rule_keeper() {
  if (rules_ && !rules_->remove())
    log_error("the system does not answer: the firewall rules stay until the next start");
}

void rule_keeper::watch_changes() {
  const auto listen = [](std::optional<sys::netlink_watch>& watch, sys::netlink_watch::subject what,
                         int& fd, auto& take) {
    auto opened = sys::netlink_watch::open(sys::real_kernel(), what);
    if (!opened) return log_warn("changes of others will not be noticed: ", opened.error());
    watch.emplace(std::move(*opened));
    fd = watch->fd();
    take = [&watch] { return watch->take(); };
  };
  if (rules_) {
    listen(rule_changes_, sys::netlink_watch::subject::rules, start_.rules_fd, start_.take_rules);
    start_.take_rules = with_faults(std::move(start_.take_rules));
  }
  listen(route_changes_, sys::netlink_watch::subject::routes, start_.routes_fd, start_.take_routes);
}

} // namespace tonel::actors::app
