#pragma once

#include "actors/app/doctor/doctor.hpp"
#include "actors/app/settings/options.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tonel::actors::app {

/// The question to the host about one tunnel.
struct doctor_way {
  std::string tunnel; ///< empty: the only tunnel
  sys::host_question question;
  tunnel_ptr settings;
  std::optional<host_port> remote; ///< its server, or the server's upstream; not resolved yet
};

/// A program and the questions about its tunnels; at least one, even if little is known.
struct doctor_case {
  doctor_target target;
  std::vector<doctor_way> ways;
};

/// The case of a running program, from its answer to "status" and the configuration files that it
/// names;
/// none: it is no such answer.
std::optional<doctor_case> case_of_status(const std::string& json);

/// The case of a program that does not run, from its options and the configuration files of
/// --config, read as the program reads them. Errors in them are in the target.
doctor_case case_of_options(role side, const command_line& line);

} // namespace tonel::actors::app
