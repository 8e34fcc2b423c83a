#include "system/macos/pf_backend.hpp"

#include "system/macos/pf_text.hpp"

#include <cerrno>
#include <utility>

namespace tonel::sys {

pf_backend::~pf_backend() { give_up(std::exchange(token_, {})); }

result<void> pf_backend::enable() {
  if (!token_.empty()) return {};
  // It tells the token on stderr.
  const auto said = run_({"sh", "-c", "exec pfctl -E 2>&1"}, {});
  if (!said) return unexpected{said.error()};
  token_ = pf_token(*said);
  if (token_.empty()) return unexpected{os_error{EIO, "pfctl -E", "it gave no token"}};
  return {};
}

void pf_backend::give_up(const std::string& token) {
  // Nobody is left to be told of a failure; pf then stays on.
  if (!token.empty()) static_cast<void>(run_({"pfctl", "-X", token}, {}));
}

result<std::string> pf_backend::listing(const std::string& table) {
  std::string out;
  for (const char* what : {"nat", "rules"}) {
    auto part = run_({"pfctl", "-a", pf_anchor(table), "-s", what}, {});
    if (!part) return part;
    out += *part;
  }
  return out;
}

result<void> pf_backend::apply(const rule_plan& plan) {
  const auto rules = pf_rules(plan);
  if (!rules) return unexpected{rules.error()};
  listing_.clear();
  const auto loaded = run_({"pfctl", "-a", pf_anchor(plan.table), "-f", "-"}, *rules);
  if (!loaded) return unexpected{loaded.error()};
  table_ = plan.table;
  if (auto done = enable(); !done) return done;
  auto now = listing(table_);
  if (!now) return unexpected{now.error()};
  listing_ = std::move(*now);
  // A load that left nothing behind has not worked, whatever its exit status.
  if (listing_.empty())
    return unexpected{os_error{EIO, "pfctl -f", pf_anchor(table_) + " is empty"}};
  return {};
}

result<bool> pf_backend::intact() {
  auto still_on = on();
  if (!still_on) return still_on;
  // "pfctl -d" of somebody ends every reference: ours has to be had anew.
  if (!*still_on) {
    token_.clear();
    return false;
  }
  const auto now = listing(table_);
  if (!now) return unexpected{now.error()};
  return *now == listing_;
}

result<void> pf_backend::remove(const std::string& table) {
  const auto flushed = run_({"pfctl", "-a", pf_anchor(table), "-F", "all"}, {});
  if (table == table_) {
    listing_.clear();
    give_up(std::exchange(token_, {}));
  }
  if (!flushed) return unexpected{flushed.error()};
  return {};
}

result<std::string> pf_backend::list(const std::string& what) {
  return unexpected{os_error{EOPNOTSUPP, "pf", "list " + what}};
}

result<bool> pf_backend::on() {
  const auto status = run_({"pfctl", "-s", "info"}, {});
  if (!status) return unexpected{status.error()};
  return pf_is_on(*status);
}

result<std::vector<std::string>> pf_backend::anchors() {
  const auto printed = run_({"pfctl", "-a", "com.apple", "-s", "Anchors"}, {});
  if (!printed) return unexpected{printed.error()};
  return pf_own_anchors(*printed);
}

result<bool> pf_backend::in_force() {
  const auto nat = run_({"pfctl", "-s", "nat"}, {});
  if (!nat) return unexpected{nat.error()};
  const auto rules = run_({"pfctl", "-s", "rules"}, {});
  if (!rules) return unexpected{rules.error()};
  return pf_uses_anchors(*nat, *rules);
}

result<pf_facts> look_at_pf(command_runner run) {
  pf_backend pf{std::move(run)};
  const auto on = pf.on();
  if (!on) return unexpected{on.error()};
  const auto in_force = pf.in_force();
  if (!in_force) return unexpected{in_force.error()};
  auto anchors = pf.anchors();
  if (!anchors) return unexpected{anchors.error()};
  return pf_facts{*on, *in_force, std::move(*anchors)};
}

} // namespace tonel::sys
