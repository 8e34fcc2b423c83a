#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/operations/repairs.hpp"
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

/// The arguments of firewall(); outlives the actor.
struct firewall_start {
  sys::rule_request request; ///< with remotes and ports as of the program's start
  bool direct = false;       ///< what is kept is the direct path, not rules
  /// Sets rules and sysctls on the host by the request. Does not block; calls back on any thread.
  std::function<void(const sys::rule_request&, std::function<void(sys::result<sys::rules_report>)>)>
      ensure;
  /// Whether a change of this nftables table may affect our rules.
  std::function<bool(const std::string&)> concerns;
  /// Readable when others have changed rules and routes (-1: not watched); take_* gives the
  /// changes.
  int rules_fd = -1, routes_fd = -1;
  std::function<sys::netlink_changes()> take_rules, take_routes;
};

/// The outcome of one call of firewall_start::ensure.
struct rules_checked {
  sys::result<sys::rules_report> found;
};

struct firewall_state;

/// Keeps the rules and sysctls of this process on the host: restores what others remove, follows
/// the routes, and repeats what failed after 1 s, doubling to 60 s. Reports a host that has not
/// answered for 10 s. No failure of the host ends it, and tunnels go on meanwhile. Its rules
/// outlive it. It does nothing before the first ensure_rules, since a reload may have replaced all
/// tunnels of the start.
caf::behavior firewall(pinned<firewall_state>* self, const firewall_start* start);

struct firewall_state {
  static inline const char* name = "firewall";

  explicit firewall_state(pinned<firewall_state>* owner) : self(owner) {}
  void start(const firewall_start* s);
  void on_ready(const fd_event& event);
  void on_timer();
  /// from: receives the outcome, and every change of it
  void set_tunnels(const ensure_rules& wanted, const caf::actor& from);
  void checked(const sys::result<sys::rules_report>& found);
  const rules_status& status() const noexcept { return now_; }

private:
  void changed();
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
    look,   ///< next look at the rules
    silent, ///< when the host is reported as silent
    count,
  };
  protocol::deadlines<timer> timers;
  bool told_tunnels = false; ///< the request has the present tunnels
  bool looking = false, again = false;
  repair_pace pace{std::chrono::milliseconds{100}};
  std::string now_where;           ///< rules_report::where of the last look
  bool in_place = false;           ///< the last look found or set all rules
  bool given_way = false;          ///< failing, since others change them again and again
  protocol::time_point asked_at{}; ///< start of the present look
  caf::actor asker;
  rules_status told;
  bool owed = false; ///< `asker` waits for an answer
};

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::rules_checked)
