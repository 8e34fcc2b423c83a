#pragma once

#include "protocol/time.hpp"
#include "system/instance_state.hpp"
#include "system/rule_backend.hpp"
#include "system/rule_text.hpp"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tonel::sys {

/// What the rules are to be, before it is known which interfaces that means.
/// Shape:  plan without interfaces and addresses of this host
struct rule_request {
  rule_plan plan;
  std::string interface; ///< a name; "auto": those of the routes; empty: any
};

/// The plan with the interfaces of now. What has no route gets none, which stands for any; macOS' rules
/// need one, so that there "auto" is meant where none is named.
/// Errors: ENODEV: there is no interface of that name; those of netlink
result<rule_plan> settle(const rule_request& request);

/// What has been found and done by one host_rules::ensure().
struct rules_report {
  bool repaired = false;          ///< others had changed or deleted the rules
  bool must_be_asked = false;     ///< nobody tells of changes
  std::string backend;            ///< "owned", "nft", "iptables"
  std::vector<std::string> notes; ///< what is to be told, each once
};

/// The rules and sysctls of this process on the host: puts them there, and takes them away when it
/// ends. What an earlier process of this host has left is swept first.
/// Owns:   the rules; the nftables table as long as it lives, so it must outlive the actor
/// Thread: any; calls block, and one waits for the other, but for concerns()
class host_rules {
public:
  host_rules(std::string folder, backend_kind wanted);
  ~host_rules();
  host_rules(const host_rules&) = delete;
  host_rules& operator=(const host_rules&) = delete;

  /// Makes the host what the request says, as far as it is not. Repeated after an error it begins where
  /// that was.
  /// Errors: EPERM: CAP_NET_ADMIN is missing; EBUSY: another process has this instance's name;
  ///         others: try again later
  result<rules_report> ensure(const rule_request& request);

  /// Whether a change of this nftables table concerns us.
  bool concerns(const std::string& changed_table);

  /// Takes everything away, for good: ensure() does nothing afterwards. False: another call that the
  /// system does not answer has lasted for `patience`, and all stays as it is. The next start sweeps it.
  bool remove(protocol::duration patience = std::chrono::seconds{2}) noexcept;

private:
  class turn;
  result<void> open(const rule_plan& plan);
  void sweep(std::vector<instance_record>& records);
  void write_down_held();
  void lease(const std::string& name, const std::string& value);
  void give_back(std::vector<instance_record>& records);
  void note(std::string text);

  std::mutex mutex_;
  std::condition_variable idle_;
  bool busy_ = false; ///< a call has its turn: the members below are its own
  instance_file file_;
  backend_kind wanted_;
  std::unique_ptr<rule_backend> backend_;
  instance_record own_;
  std::optional<instance_mark> mark_;
  std::vector<std::string> applied_; // the statements
  std::vector<std::string> notes_;
  std::set<std::string> told_;
  bool opened_ = false, closed_ = false;
};

} // namespace tonel::sys
