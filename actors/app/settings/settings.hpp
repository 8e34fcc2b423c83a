#pragma once

#include "actors/runtime/log.hpp"
#include "actors/shard/config.hpp"
#include "system/rule_backend.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tonel::actors::app {

using actors::log_format;
using actors::log_level;

/// The settings for the firewall of the host.
struct firewall_config {
  std::string interface; ///< to the network; "auto": the route's; empty: set nothing
  sys::nat_mode nat = sys::nat_mode::conntrack;
  std::optional<std::uint32_t> mark;
  sys::backend_kind backend = sys::backend_kind::automatic;
  bool reply_by_arrival = false; ///< server: as sys::rule_request has it
  bool take_port = false;        ///< server: from a program that listens on it
};

/// A file that an option names, not read yet.
struct named_file {
  std::string path;   ///< empty: none
  std::string option; ///< for option_error
  std::string place;
};
/// The files of one tunnel, by option name.
using tunnel_files = std::map<std::string, named_file, std::less<>>;

/// The validated settings of a program, from command line and configuration files.
struct settings {
  config run;
  firewall_config firewall;
  bool print_rules = false; ///< print the rules and exit
  log_level level = log_level::info;
  log_format format = log_format::text;
  std::string log_output; ///< path; empty: stderr
  bool daemonize = false;
  std::string pid_path;                      ///< empty: none
  std::string control_path;                  ///< "auto", "off" or a path
  std::string state_path;                    ///< "auto", "off" or a directory
  std::optional<protocol::endpoint> metrics; ///< none: off
  named_file pcap;                           ///< file for a capture from the start
  std::uint64_t pcap_limit_mib = 0;
  /// Every option with its value, for status; of a secret only that it is set.
  std::vector<std::pair<std::string, std::string>> shown;
  std::vector<tunnel_files> files; ///< in the order of run.tunnels
  /// The text of each process-wide option, by name, to notice changes that need a restart.
  std::map<std::string, std::string> process_wide;
};

} // namespace tonel::actors::app
