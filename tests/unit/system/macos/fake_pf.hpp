#pragma once

#include "system/macos/pf_backend.hpp"

#include <map>
#include <string>
#include <vector>

namespace tonel::sys {

/// pfctl, as far as one anchor is concerned.
struct fake_pf {
  std::vector<std::string> commands;
  std::string loaded;
  std::map<std::string, int> errors; ///< a command's beginning -> errno
  std::string main_nat, main_rules;  ///< of the main ruleset
  bool enabled = false;
  std::string enable_says = "pf enabled\nToken : 1234567890\n";

  result<std::string> run(const std::vector<std::string>& argv, const std::string& input) {
    std::string line;
    for (const auto& word : argv)
      line += (line.empty() ? "" : " ") + word;
    commands.push_back(line);
    for (const auto& [start, number] : errors)
      if (line.rfind(start, 0) == 0) return unexpected{os_error{number, "exec", line}};
    if (line == "sh -c exec pfctl -E 2>&1") {
      enabled = true;
      return enable_says;
    }
    if (line == "pfctl -s info") return std::string{enabled ? "Status: Enabled for 0 days" : "x"};
    if (line == "pfctl -a com.apple/tonel_utun7 -f -") loaded = input;
    if (line == "pfctl -a com.apple/tonel_utun7 -F all") loaded.clear();
    if (line == "pfctl -a com.apple/tonel_utun7 -s rules") return loaded;
    if (line == "pfctl -s nat") return main_nat;
    if (line == "pfctl -s rules") return main_rules;
    if (line == "pfctl -a com.apple -s Anchors")
      return std::string{loaded.empty() ? "" : "  com.apple/tonel_utun7\n"};
    return std::string{};
  }
  command_runner runner() {
    return [this](const auto& argv, const auto& input) { return run(argv, input); };
  }
};

} // namespace tonel::sys
