#pragma once

#include "actors/app/settings/option_table.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tonel::actors::app {

/// Values as they were typed, by the option's name; a flag's is empty.
using option_values = std::map<std::string, std::string, std::less<>>;

/// A command line, taken apart but not yet judged.
struct command_line {
  enum class request : std::uint8_t { run, help, version };

  request what = request::run; ///< --help and --version win over any error
  option_values values;
  std::vector<option_error> errors; ///< options unknown, repeated, without a value ...
};

/// Takes the arguments (without the program's name) apart. Names are not guessed from prefixes and
/// no option may stand twice; all errors are collected, so that validate() can add its own.
command_line parse_command_line(role side, const std::vector<std::string>& arguments);

/// "KEY = VALUE" of a configuration file, blanks around both removed; nothing: it is no such thing.
std::optional<std::pair<std::string, std::string>> parse_assignment(const std::string& line);

/// Overwrites keys in the arguments: they are not for everybody who can list processes.
void hide_keys(int argc, char** argv);

} // namespace tonel::actors::app
