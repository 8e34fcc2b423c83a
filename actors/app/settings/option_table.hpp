#pragma once

#include "actors/shard/option_row.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tonel::actors::app {

/// The options, of tunnels and of the process, under one heading of --help.
struct option_group {
  const char* title = "";
  std::vector<option_row> options;
};

/// All groups, in the order of --help.
const std::vector<option_group>& option_groups();

/// The row of an option, or null.
const option_row* find_option(std::string_view name);

/// The scope of an option; process for an unknown one.
option_scope scope_of(std::string_view name);

/// The name of this side's program.
std::string_view program_name(role side);

/// The text of --help.
std::string help_text(role side);

/// An error of one option.
struct option_error {
  std::string option;  ///< as typed, "--mtu", "mtu" in a file; empty for a stray argument
  std::string value;   ///< as given; empty: none
  std::string problem; ///< the problem, or what is permitted
  std::string place{}; ///< "FILE:LINE"; empty: the command line

  /// "--mtu 20: must be 576 to 65535", "FILE:LINE: mtu 20: ...", control characters escaped
  std::string to_string() const;
};

/// A line for each error, with the program's name, then a hint to --help.
std::string error_text(role side, const std::vector<option_error>& errors);

} // namespace tonel::actors::app
