#pragma once

#include "actors/shard/config.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tonel::actors::app {

/// The command line of tonelctl, parsed.
struct ctl_command {
  enum class task : unsigned char {
    help,
    version,
    status,
    sessions,
    counters,
    reload,
    close,
    pcap,
    doctor
  };
  task what = task::help;
  bool json = false;
  std::string socket; ///< empty: all sockets found
  // reload
  std::uint64_t pid = 0; ///< of the program that is meant; 0: not given
  // sessions, close
  std::uint64_t most = 100;
  std::uint64_t session = 0;
  // pcap
  bool start = false, stop = false;
  std::string file;        ///< as typed
  std::uint64_t limit = 0; ///< MiB; 0: not given
  // status
  bool all = false;
  // counters
  bool watch = false;
  // doctor
  std::optional<role> side;
  std::vector<std::string> configs;
  std::string tun, local, remote, mtu; ///< as typed; empty: not given

  std::vector<std::string> errors; ///< errors of the command line, as lines
};

/// Parses tonelctl's arguments (without the program's name).
ctl_command parse_ctl_command(const std::vector<std::string>& arguments);

/// The text of tonelctl --help.
std::string ctl_help_text();

} // namespace tonel::actors::app
