#pragma once

#include "system/os_error.hpp"
#include "system/rule_text.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tonel::sys {

/// The means to set rules in the kernel.
enum class backend_kind : std::uint8_t {
  automatic, ///< the first of the following that works here
  owned,     ///< nftables, with a table that others cannot change and that ends with the process
  shared,    ///< nftables, with a table that others can change
  iptables,
  pf,     ///< an anchor of macOS' packet filter
  direct, ///< no rules: programs that take the packets (direct_path)
};
/// The name of the backend: "auto", "owned", "nft", "iptables", "pf" or "bpf".
const char* to_string(backend_kind kind) noexcept;
/// The backend of this name; none: unknown, or not on this operating system.
std::optional<backend_kind> parse_backend_kind(std::string_view name) noexcept;

/// The backends of this operating system, in words: "auto, bpf, owned, nft or iptables".
const char* known_backend_kinds() noexcept;

/// Sets the rules of one instance in the kernel, and removes them.
/// Thread: one at a time; calls block
class rule_backend {
public:
  virtual ~rule_backend() = default;

  virtual backend_kind kind() const noexcept = 0;
  /// Replaces the rules of this instance by the plan's, in one transaction (iptables: one for each
  /// table).
  virtual result<void> apply(const rule_plan& plan) = 0;
  /// Whether the rules of the last apply() are in place and unchanged.
  virtual result<bool> intact() = 0;
  /// Removes the rules of the instance with this table; no error if there are none.
  virtual result<void> remove(const std::string& table) = 0;
  /// The output of nftables for a "list" statement.
  virtual result<std::string> list(const std::string& what) = 0;
  /// Whether a change of this table may affect our rules.
  virtual bool concerns(const std::string& changed_table, const std::string& ours) const = 0;
  /// What it holds besides rules, even after the process is killed, as one word for give_up();
  /// empty: nothing. apply() may change it.
  virtual std::string held() const { return {}; }
  /// Releases what a killed process held. held: its held()
  virtual void give_up(const std::string&) {}
  /// Whether changes are not reported, so that intact() has to be called from time to time.
  virtual bool must_be_asked() const noexcept { return false; }
};

/// Opens a backend.
/// Errors: the backend's; for automatic, those of the last one tried
result<std::unique_ptr<rule_backend>> open_backend(backend_kind kind);

/// Finds rules of others that stop the tunnel's packets: base chains on the forward hook that
/// drop or reject, which override an accept in our table. Gives a text for each, with the commands
/// that mend it.
std::vector<std::string> forward_obstacles(rule_backend& backend, const rule_plan& plan);

/// The tables of nftables that other instances have in this network namespace.
std::vector<std::string> tables_of_others(rule_backend& backend, const std::string& our_table);

} // namespace tonel::sys
