#pragma once

#include "protocol/time.hpp"
#include "system/host_ways.hpp"
#include "system/instance_state.hpp"
#include "system/rule_backend.hpp"
#include "system/rule_text.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tonel::sys {

/// The wanted rules, before their interfaces are known.
/// Shape:  plan without interfaces and addresses of this host
struct rule_request {
  rule_plan plan;
  std::string interface; ///< a name; "auto": the interfaces of the routes; empty: any
  /// Direct path, server: answers leave by the uplink that the client's packets came by.
  bool reply_by_arrival = false;
};

/// The plan with the present interfaces. A remote without a route gets no interface, which stands
/// for any. Rules of macOS need an interface, so there an empty name means "auto".
/// Errors: ENODEV: there is no interface of that name; netlink's
result<rule_plan> settle(const rule_request& request);

/// Adds to a settled plan what ensure() would add: which devices have to forward, and for whom. The
/// folder is that of the records of this host's instances.
void add_forwarding(rule_plan& plan, const std::string& folder);

/// The result of one host_rules::ensure().
struct rules_report {
  bool repaired = false; ///< others had changed or deleted the rules
  /// Changes are not reported: call ensure() again after this time; zero: they are.
  protocol::duration ask_in{0};
  std::string backend;            ///< "owned", "nft", "iptables"; "bpf": the direct path
  std::string where;              ///< direct path: by which means, and at which devices
  std::vector<host_way> ways;     ///< direct path, client: to the remotes that have a route
  std::vector<std::string> reset; ///< sysctls that others had switched off
  std::string unmet; ///< a setting that fails and without which nothing passes; empty: none
  std::vector<std::string> notes; ///< lines for the log, each given once
};

/// Sets the rules and sysctls of this process on the host, and removes them at its end. First
/// sweeps what dead processes have left on this host.
/// Owns:   the rules; an owned nftables table ends with it, so it must outlive the firewall actor
/// Thread: any; calls block and wait for each other, except concerns()
class host_rules {
public:
  /// folder: of the instances' records (instance_file)
  host_rules(std::string folder, backend_kind wanted);
  ~host_rules();
  host_rules(const host_rules&) = delete;
  host_rules& operator=(const host_rules&) = delete;

  /// Sets what is missing on the host of the request. Called again after an error it continues
  /// there.
  /// Errors: EPERM: CAP_NET_ADMIN is missing; EBUSY: another process has this instance's name;
  ///         others: try again later
  result<rules_report> ensure(const rule_request& request);

  /// Whether a change of this nftables table may affect our rules. Never blocks.
  bool concerns(const std::string& changed_table);

  /// Removes everything; ensure() does nothing afterwards. False: another call still waits for the
  /// system after `patience`, so nothing is removed; the next start sweeps it.
  bool remove(protocol::duration patience = std::chrono::seconds{2}) noexcept;

private:
  class turn;
  result<void> open(const rule_plan& plan);
  void sweep(std::vector<instance_record>& records);
  void write_down(const std::function<void(instance_record&)>& change);
  void write_down_held();
  std::vector<instance_record> living() const;
  void switch_forwarding_on(const rule_plan& plan);
  void keep_forwarding(const rule_plan& plan, rules_report& report);
  void give_back(std::vector<instance_record>& records);
  void note(std::string text);

  std::mutex mutex_;
  std::condition_variable idle_;
  bool busy_ = false; ///< a call has its turn, and alone uses the members below
  instance_file file_;
  backend_kind wanted_;
  std::unique_ptr<rule_backend> backend_;
  instance_record own_;
  std::optional<instance_mark> mark_;
  std::set<std::string> forwarded_;  ///< the sysctls of forwarding that the last ensure() wanted
  std::vector<std::string> applied_; ///< the statements
  std::string chains_;               // of the host, when obstacles were last looked for
  std::vector<std::string> notes_;
  std::set<std::string> told_;
  bool opened_ = false, closed_ = false;
};

} // namespace tonel::sys
