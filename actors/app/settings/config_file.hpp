#pragma once

#include "actors/app/settings/option_table.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tonel::actors::app {

/// A value as it was typed, and where: "FILE:LINE", empty for the command line.
struct placed_value {
  std::string text;
  std::string place;
};
using placed_values = std::map<std::string, placed_value, std::less<>>;

/// A section [tunnel.NAME].
struct tunnel_section {
  std::string name;
  std::string place;
  placed_values values;
};

/// What configuration files say, taken apart but not yet judged.
struct config_files {
  placed_values process; ///< what stands before the first section of each file
  std::vector<tunnel_section> tunnels;
  std::vector<option_error> errors;
};

/// Reads a file, then those of the directory beside it (client.conf: client.d/*.conf) in the order
/// of their names, as if they were one.
/// Shape:  lines of KEY = VALUE, the keys being the long options; [tunnel.NAME] begins a tunnel; a #
///         begins a comment at the start of a line or after a blank. Relative paths are those from
///         the folder of the file, and come out absolute.
/// Errors: all of them are in the result, each with its file and line
config_files read_config_files(role side, const std::string& path);

} // namespace tonel::actors::app
