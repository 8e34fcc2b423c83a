#pragma once

#include "system/host_rules.hpp"

#include <string>

namespace tonel::actors {

// What the log tells of rules, or of the direct path, which has none.

inline bool is_direct(const sys::rules_report& report) { return !report.where.empty(); }

inline std::string what_is_kept(const sys::rules_report& report) {
  return is_direct(report) ? "the programs at the devices" : "the firewall rules or forwarding";
}

inline std::string words_of_place(const sys::rules_report& report) {
  if (is_direct(report))
    return "the direct path is in place (" + report.backend + ", " + report.where +
           "); the tunnel's packets pass no firewall rules of this host";
  return "the firewall rules are in place (" + report.backend + ")";
}

inline std::string words_of_repair(const sys::rules_report& report) {
  if (is_direct(report))
    return "another program had taken the direct path's programs away; they are attached again (" +
           report.where + ")";
  return "another program had changed the firewall rules; they are as before";
}

} // namespace tonel::actors
