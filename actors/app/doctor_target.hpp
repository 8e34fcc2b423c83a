#pragma once

#include "actors/app/ctl_command.hpp"
#include "actors/app/doctor.hpp"
#include "actors/app/options.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tonel::actors::app {

/// A target and what to ask the host for its sake; the remote is yet to be resolved.
struct doctor_case {
  doctor_target target;
  sys::host_question question;
  std::optional<host_port> remote; ///< client: its server
};

/// From the answer of a running program to "status"; nothing: it is no such answer.
std::optional<doctor_case> case_of_status(const std::string& json);

/// From the values of options. `side` client: --remote is the way that is looked at.
doctor_case case_of_values(role side, const option_values& values);

/// The values that stand in a config file, those of its first tunnel among them.
/// Shape: "name = value" a line; "#" begins a comment at a line's start and after a blank
option_values values_in(const std::string& content);

} // namespace tonel::actors::app
