#pragma once

#include "actors/app/settings/option_table.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tonel::actors::app {

/// A value as typed, and its place: "FILE:LINE"; empty: the command line.
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

/// The values of configuration files, parsed but not validated.
struct config_files {
  placed_values process; ///< values before the first section of each file
  std::vector<tunnel_section> tunnels;
  std::vector<option_error> errors;
};

/// Reads a file, then the files of the folder beside it (client.conf: client.d/*.conf) in the order
/// of their names, as if they were one.
/// Shape:  lines of KEY = VALUE with long options as keys; [tunnel.NAME] begins a tunnel; # begins
///         a comment at the start of a line or after a blank. Relative paths count from the file's
///         folder, and are made absolute
/// Errors: all are in the result, each with its file and line
config_files read_config_files(role side, const std::string& path);

} // namespace tonel::actors::app
