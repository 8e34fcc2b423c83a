#pragma once

#include "actors/shard/config.hpp"
#include "system/host_facts.hpp"
#include "system/rule_backend.hpp"
#include "system/tun_net.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tonel::actors::app {

/// A part of a running program, as its status shows it.
struct told_part {
  std::string name; ///< "firewall", "tunnel office"
  std::string state;
  std::string detail;
};

/// The program for which a host is examined.
struct doctor_target {
  role side = role::client;
  bool running = false;    ///< the program runs, so its device exists
  bool sets_rules = false; ///< --auto-rule
  std::string auto_rule;   ///< client: the device of --auto-rule; empty: none, or "auto"
  sys::backend_kind backend = sys::backend_kind::automatic; ///< of these rules
  bool take_port = false;                                   ///< server
  std::string tun;                                          ///< name of its device; empty: unknown
  std::uint32_t mtu = 1500;                                 ///< of the device
  std::uint16_t local_port = 0;             ///< server: --local of a tunnel; 0: unknown
  std::optional<protocol::endpoint> remote; ///< client: its server; none: unknown
  bool answered = false;                    ///< client: tonels has answered the doctor there
  /// Client: its rules take what comes from the server's port, so that no other connection gets there.
  bool stateless = false;
  sys::tun_ends ends4, ends6;        ///< of its device; unspecified: unknown
  std::vector<sys::tun_ends> chosen; ///< those that a program to be started is told to take
  bool ipv6 = true;
  std::string config_file;           ///< its configuration file; empty: only a command line
  std::size_t tunnels = 1;           ///< in the configuration files
  std::vector<std::string> problems; ///< errors in options and files, as the program tells them
  std::vector<told_part> parts{};    ///< of the running program
  /// The commands that set its NAT; empty: unknown.
  std::vector<std::string> rule_commands;
};

/// One finding about a host.
struct finding {
  enum class level : unsigned char {
    fine,
    note,  ///< it works, but could be better; or unknown
    fault, ///< the tunnel does not work, or not for all clients
  };
  level is = level::fine;
  std::string about; ///< "forwarding", of a fixed set of words
  std::string text;
  std::vector<std::string> mend;      ///< commands, in order; empty: not needed or not possible
  std::vector<std::string> tunnels{}; ///< names of its tunnels; empty: all
};
/// "tonelc", "tonels"
std::string program_of(const doctor_target& target);

/// The findings for one tunnel.
struct tunnel_findings {
  std::string tunnel;
  std::vector<finding> list;
};

/// Examines a host by its facts; looks at nothing itself.
std::vector<finding> diagnose(const doctor_target& target, const sys::host_facts& facts);

/// What the running program says of one tunnel; none: it has not tried, or does not run.
std::optional<finding> told_of(const doctor_target& target, const std::string& tunnel);

/// All findings in one list: those of all tunnels once, others with the names of their tunnels.
std::vector<finding> joined(const std::vector<tunnel_findings>& of_each);

/// The findings as text: a line for each, with its commands below.
std::string findings_text(const std::vector<finding>& findings);
/// The findings as a JSON object, on one line.
std::string findings_json(const doctor_target& target, const std::vector<finding>& findings);

} // namespace tonel::actors::app
