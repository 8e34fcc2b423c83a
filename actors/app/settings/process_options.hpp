#pragma once

#include "actors/app/settings/settings.hpp"
#include "actors/shard/option_row.hpp"

#include <functional>
#include <string>
#include <vector>

namespace tonel::actors::app {

class reader;

/// An option of the whole process, or of the command line alone.
struct process_row {
  option_row option;
  /// From the text into the settings, noting what is wrong; none: the parser of the command line, or
  /// the reader of files, has done with it.
  std::function<void(reader&, settings&)> read;
  /// The value in force, as it could be typed; for status, and to notice what a reload cannot change.
  std::function<std::string(const settings&)> show;
};

/// Every one of them, in the order in which they are read. Under each heading of --help they stand in
/// this order, too, behind those of a tunnel.
const std::vector<process_row>& process_rows();

} // namespace tonel::actors::app
