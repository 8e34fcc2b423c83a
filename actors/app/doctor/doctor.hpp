#pragma once

#include "actors/shard/config.hpp"
#include "system/host_facts.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tonel::actors::app {

/// The program that a host is looked at for.
struct doctor_target {
  role side = role::client;
  bool running = false;         ///< the program is: its device is there
  std::string tun;              ///< its device; empty: not known
  std::uint32_t mtu = 1500;     ///< of the device
  std::uint16_t local_port = 0; ///< server: of --local of one tunnel; 0: not known
  bool ipv6 = true;
  std::string config_file;           ///< where it is set up; empty: on a command line
  std::size_t tunnels = 1;           ///< there, and in what is read beside it
  std::vector<std::string> problems; ///< of options and files, as the program would tell them
  /// What translates its addresses; empty: not known.
  std::vector<std::string> rule_commands;
};

/// One thing about a host.
struct finding {
  enum class level : unsigned char {
    fine,
    note,  ///< it works, but could be better, or can't be told
    fault, ///< the tunnel does not work, or not for all
  };
  level is = level::fine;
  std::string about; ///< "forwarding": one of a fixed set of words
  std::string text;
  std::vector<std::string> mend;      ///< commands, in order; empty: none is needed or possible
  std::vector<std::string> tunnels{}; ///< that it is about, by their names; empty: all
};
/// What was found for the sake of one tunnel.
struct tunnel_findings {
  std::string tunnel;
  std::vector<finding> list;
};

/// Judges a host by its facts; looks at nothing itself.
std::vector<finding> diagnose(const doctor_target& target, const sys::host_facts& facts);

/// All of them in one list: what holds for every tunnel once, and else with their names.
std::vector<finding> joined(const std::vector<tunnel_findings>& of_each);

/// For people: a line each, the commands below it.
std::string findings_text(const std::vector<finding>& findings);
/// One JSON object, on one line.
std::string findings_json(const doctor_target& target, const std::vector<finding>& findings);

} // namespace tonel::actors::app
