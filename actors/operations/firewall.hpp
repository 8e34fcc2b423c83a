#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/runtime/reactor_actor.hpp"
#include "actors/supervision/restart.hpp"
#include "protocol/deadlines.hpp"
#include "system/host_rules.hpp"
#include "system/netlink_watch.hpp"

#include <caf/behavior.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace tonel::actors {

/// What the firewall actor is spawned with; all of it outlives the actor.
struct firewall_start {
  sys::rule_request request; ///< remotes and ports are those of the program's start
  /// Makes the host what the request says, without blocking, and calls back from any thread.
  std::function<void(const sys::rule_request&, std::function<void(sys::result<sys::rules_report>)>)>
      ensure;
  /// Whether a change of this nftables table is our business.
  std::function<bool(const std::string&)> concerns;
  /// Descriptors readable when others have changed rules and routes (-1: nothing tells), and what.
  int rules_fd = -1, routes_fd = -1;
  std::function<sys::netlink_changes()> take_rules, take_routes;
};

/// The outcome of one look at the host.
struct rules_checked {
  sys::result<sys::rules_report> found;
};

struct firewall_state;

/// Keeps the rules and sysctls of this process on the host: puts back what others take away, follows
/// the routes, and tries again what failed, after 1 s doubling to 60 s; says so where the host has not
/// answered for 10 s. It never ends by a failure of
/// the host's; tunnels go on meanwhile. What it has put there outlives it. It does nothing before the
/// first ensure_rules: of the tunnels at the program's start a reload may have left none.
caf::behavior firewall(pinned<firewall_state>* self, const firewall_start* start);

struct firewall_state {
  static inline const char* name = "firewall";

  explicit firewall_state(pinned<firewall_state>* owner) : self(owner) {}
  void start(const firewall_start* s);
  void on_ready(const fd_event& event);
  void on_timer();
  /// from: is told the outcome, and every change of it
  void set_tunnels(const ensure_rules& wanted, const caf::actor& from);
  void checked(const sys::result<sys::rules_report>& found);
  const rules_status& status() const noexcept { return now_; }

private:
  void look();
  void look_at(protocol::time_point at);
  void arm();
  void silent();
  void good(const sys::rules_report& report);
  void bad(const std::string& reason);
  void tell();

  pinned<firewall_state>* self;
  const firewall_start* given = nullptr;
  sys::rule_request request;
  reactor::watch_id rules_watch = 0;
  rules_status now_;
  backoff retry{std::chrono::seconds{1}, std::chrono::seconds{2}, std::chrono::seconds{60}};
  enum class timer : std::uint8_t {
    look,   ///< at the rules
    silent, ///< looking: the system is said to be
    count,
  };
  protocol::deadlines<timer> timers;
  bool told_tunnels = false; ///< the request is of now
  bool looking = false, again = false;
  protocol::time_point asked_at{}; ///< looking: since then
  caf::actor asker;
  rules_status told;
  bool owed = false; ///< the asker waits for an answer
};

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::rules_checked)
