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

/// What puts rules into the kernel.
enum class backend_kind : std::uint8_t {
  automatic, ///< the first of those below that works here
  owned,     ///< nftables, in a table that others cannot change and that dies with the process
  shared,    ///< nftables, in a table that anybody may change
  iptables,
  pf, ///< an anchor of macOS' packet filter
};
const char* to_string(backend_kind kind) noexcept;
/// By the names of to_string(); nothing for others, and for what this system does not have.
std::optional<backend_kind> parse_backend_kind(std::string_view name) noexcept;

/// Those that this system has, in words: "auto, owned, nft or iptables".
const char* known_backend_kinds() noexcept;

/// Puts the rules of one instance into the kernel, and takes them away.
/// Thread: one at a time; calls block
class rule_backend {
public:
  virtual ~rule_backend() = default;

  virtual backend_kind kind() const noexcept = 0;
  /// Replaces what this instance has by the plan: one transaction (iptables: one a table).
  virtual result<void> apply(const rule_plan& plan) = 0;
  /// Whether everything that was last applied is there, and as it was.
  virtual result<bool> intact() = 0;
  /// Takes the rules of the instance with this table away; not an error where there are none.
  virtual result<void> remove(const std::string& table) = 0;
  /// What nftables says to a "list" statement.
  virtual result<std::string> list(const std::string& what) = 0;
  /// Whether the table is one whose changes concern us.
  virtual bool concerns(const std::string& changed_table, const std::string& ours) const = 0;
  /// What it holds besides rules and would still hold when it is killed, as give_up() takes it; empty:
  /// nothing. Another word after an apply() may be.
  virtual std::string held() const { return {}; }
  /// Gives back what a killed process held.
  virtual void give_up(const std::string&) {}
  /// Whether changes are told by nobody, so that intact() must be asked from time to time.
  virtual bool must_be_asked() const noexcept { return false; }
};

/// Errors: of the automatic one that of the last thing that was tried
result<std::unique_ptr<rule_backend>> open_backend(backend_kind kind);

/// What of the rest of the host's rules stands in the way, in words with the commands that mend it: base
/// chains on forward whose policy is drop, where an accept in a table of ours counts for nothing.
std::vector<std::string> forward_obstacles(rule_backend& backend, const rule_plan& plan);

/// Whether another instance has rules of nftables in this network namespace.
bool others_present(rule_backend& backend, const std::string& our_table);

} // namespace tonel::sys
