#include "system/host_rules.hpp"

#include "system/posix/host_parts.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

namespace tonel::sys {

namespace {

// The most records of dead processes in other network namespaces, which perhaps no start sweeps.
constexpr std::size_t most_dead_elsewhere = 100;

bool is_ours(const instance_record& record, const instance_record& own) {
  return record.table == own.table && record.network == own.network && record.pid == own.pid &&
         record.started == own.started;
}

/// Whether nothing passes while this sysctl is not set: a client's IPv6 matters where a remote has such an
/// address, and a server's clients may all come by IPv4.
bool is_needed(const std::string& sysctl, const rule_plan& plan) {
  const bool v6 = sysctl.rfind("net.ipv6.", 0) == 0;
  if (plan.server) return !v6;
  return std::any_of(plan.remotes.begin(), plan.remotes.end(),
                     [&](const auto& remote) { return remote.address.is_v6() == v6; });
}

} // namespace

/// Lets one call at a time use the members.
// Not a timed mutex: GCC 12's ThreadSanitizer does not know the call that waits for one.
class host_rules::turn {
public:
  /// Waits for its turn, at most `patience`; none: without a limit.
  explicit turn(host_rules& of, std::optional<protocol::duration> patience = {}) : of_(of) {
    std::unique_lock guard{of_.mutex_};
    const auto free = [&] { return !of_.busy_; };
    if (!patience)
      of_.idle_.wait(guard, free);
    else if (!of_.idle_.wait_for(guard, *patience, free))
      return;
    of_.busy_ = mine_ = true;
  }
  ~turn() {
    if (!mine_) return;
    const std::lock_guard guard{of_.mutex_};
    of_.busy_ = false;
    of_.idle_.notify_one();
  }
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;
  explicit operator bool() const noexcept { return mine_; }

private:
  host_rules& of_;
  bool mine_ = false;
};

void add_forwarding(rule_plan& plan, const std::string& folder) {
  plan_forwarding(plan, instance_file{folder}.living(), {});
}

host_rules::host_rules(std::string folder, backend_kind wanted)
    : file_{std::move(folder)}, wanted_{wanted} {}

host_rules::~host_rules() { remove(); }

void host_rules::note(std::string text) {
  if (told_.insert(text).second) notes_.push_back(std::move(text));
}

result<rules_report> host_rules::ensure(const rule_request& request) {
  const turn mine{*this};
  rules_report report;
  if (closed_) return report;
  auto plan = settle(request);
  if (!plan) return unexpected{plan.error()};
  if (auto opened = open(*plan); !opened) return unexpected{opened.error()};
  plan_forwarding(*plan, living(), tables_of_others(*backend_, own_.table));
  auto statements = nft_statements(*plan);
  // iptables' rules have them all, where nftables' only say which not.
  statements.insert(statements.end(), plan->forward6.closed.begin(), plan->forward6.closed.end());
  const bool same = !applied_.empty() && applied_ == statements;
  bool intact = false;
  if (same) {
    const auto found = backend_->intact();
    if (!found) return unexpected{found.error()};
    intact = *found;
    report.repaired = !intact;
  }
  if (!intact) {
    auto done = backend_->apply(*plan);
    write_down_held();
    if (!done) return unexpected{done.error()};
    applied_ = std::move(statements);
  }
  // After the rules, which close what forwarding opens.
  keep_forwarding(*plan, report);
  // Also finds firewalls started later, each reported once; not where rules are polled all the
  // time. A whole ruleset may be large, so that only a change of the chains is a reason to read it.
  auto chains = backend_->must_be_asked() ? chains_ : backend_->list("chains").value_or("");
  if (!intact || chains != chains_)
    for (auto& obstacle : forward_obstacles(*backend_, *plan))
      note(std::move(obstacle));
  chains_ = std::move(chains);
  if (plan->server) {
    const auto missing = keep_uplinks(*plan);
    if (!missing)
      note("answers may leave by another uplink than their requests came by: " +
           missing.error().to_string());
    report.repaired = report.repaired || (same && missing && *missing);
    for (auto& obstacle : uplink_obstacles(*plan))
      note(std::move(obstacle));
  }
  report.backend = to_string(backend_->kind());
  // Rules have to be back within a second.
  if (backend_->must_be_asked()) report.ask_in = std::chrono::milliseconds{700};
  report.notes = std::exchange(notes_, {});
  return report;
}

bool host_rules::concerns(const std::string& changed_table) {
  // A call under way may take long; a needless look is better than a loop that waits.
  const turn mine{*this, protocol::duration::zero()};
  return !mine || (backend_ && backend_->concerns(changed_table, own_.table));
}

result<void> host_rules::open(const rule_plan& plan) {
  if (opened_) return {};
  own_ = own_record(plan.table);
  if (!backend_) {
    auto backend = open_backend(wanted_);
    if (!backend) return unexpected{backend.error()};
    backend_ = std::move(*backend);
  }
  int taken_by = 0;
  std::optional<os_error> unmarked;
  auto kept = file_.update([&](std::vector<instance_record>& records) {
    sweep(records);
    for (const auto& r : records)
      if (r.table == own_.table && r.network == own_.network && !is_ours(r, own_)) taken_by = r.pid;
    if (taken_by != 0) return;
    own_.backend = to_string(backend_->kind());
    // Without its mark the instance would be taken for dead.
    if (auto marked = file_.mark(own_)) {
      mark_.emplace(std::move(*marked));
      records.push_back(own_);
    } else {
      unmarked = marked.error();
    }
  });
  if (kept && unmarked) kept = unexpected{*unmarked};
  if (!kept)
    note("cannot write down what was changed on this host (" + kept.error().to_string() +
         "): after a kill, it stays until the next start");
  if (taken_by != 0)
    return unexpected{os_error{EBUSY, "rules",
                               own_.table + " belongs to process " + std::to_string(taken_by) +
                                   "; --tun NAME makes another instance"}};
  opened_ = true;
  return {};
}

/// Switches forwarding on: at the start, and when other programs have switched it off since.
void host_rules::keep_forwarding(const rule_plan& plan, rules_report& report) {
  auto names = plan.forward4.on;
  names.insert(names.end(), plan.forward6.on.begin(), plan.forward6.on.end());
  const auto is_off = [](const std::string& name) { return read_sysctl(name).value_or("") == "0"; };
  std::vector<std::string> off;
  std::copy_if(names.begin(), names.end(), std::back_inserter(off), is_off);
  if (!forwards(plan)) switch_forwarding_on(plan);
  for (auto& name : off) {
    if (is_off(name)) {
      if (is_needed(name, plan)) report.unmet = "the sysctl " + name + " is 0 and cannot be set";
    } else if (forwarded_.count(name) != 0 && name.find('.' + plan.tun + '.') == name.npos) {
      // A device of ours that was made again begins without.
      report.reset.push_back(std::move(name));
    }
  }
  forwarded_ = {names.begin(), names.end()};
}

void host_rules::write_down(const std::function<void(instance_record&)>& change) {
  (void)file_.update([&](std::vector<instance_record>& records) {
    for (auto& r : records)
      if (is_ours(r, own_)) change(r);
  });
}

/// Notes what is known only after apply(), even one that failed half way.
void host_rules::write_down_held() {
  const auto now = backend_->held();
  if (std::exchange(own_.held, now) == now) return;
  write_down([&](instance_record& r) { r.held = now; });
}

/// Undoes what dead processes have left in this network namespace. Their sysctls become ours, since
/// only their records know the values before.
void host_rules::sweep(std::vector<instance_record>& records) {
  std::vector<instance_record> kept;
  std::size_t dead_elsewhere = 0;
  for (auto& r : records) {
    if (r.boot != own_.boot) { // the reboot has undone everything
      file_.forget(r);
      continue;
    }
    const bool alive = file_.is_alive(r);
    if (r.network != own_.network || alive) {
      if (!alive && ++dead_elsewhere > most_dead_elsewhere)
        file_.forget(r);
      else
        kept.push_back(std::move(r));
      continue;
    }
    if (const auto kind = parse_backend_kind(r.backend)) {
      // Rules are removed by the backend that made them.
      const bool same_means =
          (*kind == backend_kind::iptables) == (backend_->kind() == backend_kind::iptables);
      auto other = same_means ? nullptr : open_backend(*kind).value_or(nullptr);
      auto* means = same_means ? backend_.get() : other.get();
      if (means == nullptr || !means->remove(r.table)) {
        note("the rules of an earlier process (" + r.table + ") could not be removed");
        kept.push_back(std::move(r));
        continue;
      }
      remove_uplinks(r.table);
      means->give_up(r.held);
      // The kernel has removed an owned table itself.
      if (*kind != backend_kind::owned)
        note("removed what an earlier process had left: " + r.table);
    }
    own_.leases.insert(own_.leases.end(), r.leases.begin(), r.leases.end());
    file_.forget(r);
  }
  records = std::move(kept);
}

std::vector<instance_record> host_rules::living() const {
  auto out = file_.living();
  const auto ours = [&](const auto& record) { return is_ours(record, own_); };
  if (std::none_of(out.begin(), out.end(), ours)) out.push_back(own_); // could not be written down
  return out;
}

void host_rules::switch_forwarding_on(const rule_plan& plan) {
  std::vector<std::string> failed;
  (void)file_.update([&](std::vector<instance_record>& records) {
    const auto kept = std::find_if(records.begin(), records.end(),
                                   [&](const auto& record) { return is_ours(record, own_); });
    // Another instance may have handed its sysctls to us.
    if (kept != records.end()) own_.leases = kept->leases;
    failed = switch_on(plan, own_.leases);
    if (kept != records.end()) kept->leases = own_.leases;
  });
  for (auto& text : failed)
    note(std::move(text));
}

/// Hands sysctls over to another live instance, else restores them; those changed by others stay.
void host_rules::give_back(std::vector<instance_record>& records) {
  // Another instance may have handed sysctls to us since they were read.
  for (auto r = records.begin(); r != records.end();) {
    if (!is_ours(*r, own_)) {
      ++r;
      continue;
    }
    own_.leases = r->leases;
    r = records.erase(r);
  }
  const auto heir = std::find_if(records.begin(), records.end(), [&](const auto& r) {
    return r.network == own_.network && file_.is_alive(r);
  });
  if (heir != records.end()) {
    heir->leases.insert(heir->leases.end(), own_.leases.begin(), own_.leases.end());
  } else if (own_.leases.empty() || tables_of_others(*backend_, own_.table).empty()) {
    for (auto l = own_.leases.rbegin(); l != own_.leases.rend(); ++l)
      if (read_sysctl(l->name).value_or("") == l->set && !overtaken(*l))
        (void)write_sysctl(l->name, l->before);
  }
  own_.leases.clear();
}

bool host_rules::remove(protocol::duration patience) noexcept {
  const turn mine{*this, patience};
  if (!mine) return false;
  if (std::exchange(closed_, true)) return true;
  if (!backend_) return true;
  if (!applied_.empty()) (void)backend_->remove(own_.table);
  remove_uplinks(own_.table);
  if (opened_)
    (void)file_.update([&](std::vector<instance_record>& records) {
      mark_.reset(); // under the lock nobody checks it, and its descriptor may be needed
      give_back(records);
    });
  backend_ = nullptr;
  return true;
}

} // namespace tonel::sys
