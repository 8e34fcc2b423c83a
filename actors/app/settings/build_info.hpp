#pragma once

#include <string>
#include <string_view>

namespace tonel::actors::app {

/// The version, from the build system.
std::string_view program_version();

/// The text of --version: program and version, the features of this build, and its libraries.
std::string version_text(std::string_view program);

} // namespace tonel::actors::app
