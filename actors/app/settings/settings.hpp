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

/// What is done about the firewall of the host.
struct firewall_config {
  std::string interface; ///< towards the network; "auto": that of the route; empty: nothing is set
  sys::nat_mode nat = sys::nat_mode::conntrack;
  std::optional<std::uint32_t> mark;
  sys::backend_kind backend = sys::backend_kind::automatic;
};

/// A file that an option names, still to be read.
struct named_file {
  std::string path;   ///< empty: none
  std::string option; ///< for errors, as option_error has them
  std::string place;
};
/// The files of one tunnel, by the option that names each.
using tunnel_files = std::map<std::string, named_file, std::less<>>;

/// The command line and the configuration files, validated.
struct settings {
  config run;
  firewall_config firewall;
  bool print_rules = false; ///< and end
  log_level level = log_level::info;
  log_format format = log_format::text;
  std::string log_output; ///< path; empty: stderr
  bool daemonize = false;
  std::string pid_path;                      ///< empty: none
  std::string control_path;                  ///< "auto", "off" or a path
  std::optional<protocol::endpoint> metrics; ///< none: off
  named_file pcap;                           ///< of the packets on the TUN device
  std::uint64_t pcap_limit_mib = 0;
  /// Every option with its value, for status; of a secret only that there is one.
  std::vector<std::pair<std::string, std::string>> shown;
  std::vector<tunnel_files> files; ///< of run.tunnels, in their order
  /// The text of each option of the whole process, by its name: what a reload cannot change.
  std::map<std::string, std::string> process_wide;
};

} // namespace tonel::actors::app
