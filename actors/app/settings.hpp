#pragma once

#include "actors/config.hpp"
#include "actors/log.hpp"

#include <string>

namespace tonel::actors::app {

using actors::log_level;

/// The command line, validated.
struct settings {
  config run;
  log_level level = log_level::info;
  std::string log_output; ///< path; empty: stderr
  bool daemonize = false;
  std::string pid_path;       ///< empty: none
  std::string handshake_path; ///< what --handshake-packet names; empty: none
};

} // namespace tonel::actors::app
