#pragma once

#include "actors/app/settings/settings.hpp"
#include "actors/shard/option_row.hpp"

#include <functional>
#include <string>
#include <vector>

namespace tonel::actors::app {

class reader;

/// An option of the process, or of the command line only.
struct process_row {
  option_row option;
  /// Reads the text into the settings, and notes errors; null: the parser of the command line, or
  /// the reader of files, handles the option.
  std::function<void(reader&, settings&)> read;
  /// The value in force, as it would be typed; for status, and to notice changes that need a
  /// restart.
  std::function<std::string(const settings&)> show;
};

/// All rows, in the order of reading. --help lists them in this order under each heading, after the
/// options of tunnels.
const std::vector<process_row>& process_rows();

} // namespace tonel::actors::app
