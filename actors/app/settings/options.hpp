#pragma once

#include "actors/app/settings/option_table.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tonel::actors::app {

/// Values as typed, by option name; a flag's value is empty.
using option_values = std::map<std::string, std::string, std::less<>>;

/// A command line, parsed but not validated.
struct command_line {
  enum class request : std::uint8_t { run, help, version };

  request what = request::run; ///< --help and --version win over any error
  option_values values;
  std::vector<option_error> errors; ///< unknown or repeated options, missing values, and so on
};

/// Parses the arguments (without the program's name). Names cannot be abbreviated, and no option
/// may be given twice. All errors are collected, so that validate() can add its own.
command_line parse_command_line(role side, const std::vector<std::string>& arguments);

/// Parses "KEY = VALUE" of a configuration file, without the blanks around both; none: no such
/// line.
std::optional<std::pair<std::string, std::string>> parse_assignment(const std::string& line);

/// Overwrites keys in the arguments, which other users can see by listing processes.
void hide_keys(int argc, char** argv);

} // namespace tonel::actors::app
