#pragma once

#include <string>
#include <string_view>

namespace tonel::actors::app {

/// The version, as the build system has it.
std::string_view program_version();

/// The text of --version: program and version, the features of this build, the libraries that it was
/// built with.
std::string version_text(std::string_view program);

} // namespace tonel::actors::app
