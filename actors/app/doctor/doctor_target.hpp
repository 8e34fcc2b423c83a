#pragma once

#include "actors/app/doctor/doctor.hpp"
#include "actors/app/settings/options.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tonel::actors::app {

/// What to ask the host for the sake of one tunnel.
struct doctor_way {
  std::string tunnel; ///< empty: the only one
  sys::host_question question;
  std::optional<host_port> remote; ///< client: its server, yet to be resolved
};

/// A program, and the ways of all its tunnels; of a target that little is known of one, too.
struct doctor_case {
  doctor_target target;
  std::vector<doctor_way> ways;
};

/// From the answer of a running program to "status", and the configuration files that it names; nothing:
/// it is no such answer.
std::optional<doctor_case> case_of_status(const std::string& json);

/// From the options of a program that does not run, and the configuration files that --config among
/// them names, as the program itself reads them. What is wrong with them is in the target.
doctor_case case_of_options(role side, const command_line& line);

} // namespace tonel::actors::app
