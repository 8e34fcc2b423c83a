#pragma once

#include "system/host_facts.hpp"
#include "system/rule_backend.hpp"

#include <functional>
#include <string>
#include <vector>

namespace tonel::sys {

/// Runs a command as run_command() does.
using command_runner =
    std::function<result<std::string>(const std::vector<std::string>&, const std::string&)>;

/// Rules in an anchor of pf, set by pfctl, whose exit status is looked at each time. pf itself is off
/// on most hosts; it counts who wants it on.
/// Owns:   one reference to pf, given back by remove() and at the end
/// Thread: one at a time; calls block
class pf_backend final : public rule_backend {
public:
  explicit pf_backend(command_runner run) : run_{std::move(run)} {}
  ~pf_backend() override;

  backend_kind kind() const noexcept override { return backend_kind::pf; }
  result<void> apply(const rule_plan& plan) override;
  result<bool> intact() override;
  result<void> remove(const std::string& table) override;
  /// Of nftables, which is not here: EOPNOTSUPP.
  result<std::string> list(const std::string& what) override;
  bool concerns(const std::string&, const std::string&) const override { return false; }
  bool must_be_asked() const noexcept override { return true; }
  /// The token of the reference to pf.
  std::string held() const override { return token_; }
  void give_up(const std::string& token) override;

  /// Whether pf is on.
  result<bool> on();
  /// The last names of the anchors below com.apple that instances of ours have.
  result<std::vector<std::string>> anchors();
  /// Whether the main ruleset looks into them; without that our rules do nothing.
  result<bool> in_force();

private:
  result<void> enable();
  result<std::string> listing(const std::string& table);

  command_runner run_;
  std::string table_, token_;
  std::string listing_; ///< as pf has it after apply()
};

/// Looks at pf for the doctor.
/// Errors: those of the commands; EIO with what pfctl said: only root may ask
result<pf_facts> look_at_pf(command_runner run);

} // namespace tonel::sys
