#pragma once

#include "actors/config.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tonel::actors::app {

/// A text that may differ between tonelc and tonels.
struct by_role {
  const char* client = "";
  const char* server = "";
  constexpr by_role() = default;
  constexpr by_role(const char* both) : client{both}, server{both} {} // NOLINT: meant to convert
  constexpr by_role(const char* c, const char* s) : client{c}, server{s} {}
  std::string_view of(role side) const { return side == role::client ? client : server; }
};

/// What one option is called, takes and means: the parser, the check of the values and --help all
/// read it here, so that they cannot disagree.
struct option_spec {
  const char* name = ""; ///< without the dashes
  char letter = 0;       ///< 0: has no short form
  by_role argument;      ///< what stands for the value in --help; empty: takes none
  by_role preset;        ///< the value when not given, as it would be typed; empty: none
  std::uint64_t least = 0, most = 0; ///< range of a number; most 0: not a number
  by_role text;
};

struct option_group {
  const char* title = "";
  std::vector<option_spec> options;
};

const std::vector<option_group>& option_groups();

/// The entry of an option, or null.
const option_spec* find_option(std::string_view name);

/// True for what makes no sense in a configuration file: --help, --config and their like.
bool is_command_line_only(std::string_view name);

/// The name of the program of that side.
std::string_view program_name(role side);

/// The text of --help.
std::string help_text(role side);

/// What is wrong with one option.
struct option_error {
  std::string option;  ///< as typed, "--mtu", "mtu" in a file; empty for a stray argument
  std::string value;   ///< as given; empty: none
  std::string problem; ///< what is wrong or what is allowed
  std::string place{}; ///< "FILE:LINE"; empty: the command line

  /// "--mtu 20: must be 576 to 65535", "FILE:LINE: mtu 20: ...", control characters escaped
  std::string to_string() const;
};

/// One line an error, each with the program's name, then where to find help.
std::string error_text(role side, const std::vector<option_error>& errors);

} // namespace tonel::actors::app
