#include "actors/app/settings/build_info.hpp"

#if !defined(TONEL_VERSION) || !defined(TONEL_FEATURES) || !defined(TONEL_LIBRARIES)
#error "what --version tells comes from the build system (cmake/TonelBuildInfo.cmake)"
#endif

namespace tonel::actors::app {

std::string_view program_version() { return TONEL_VERSION; }

std::string version_text(std::string_view program) {
  std::string out{program};
  out += " " TONEL_VERSION "\n"
         "features: " TONEL_FEATURES "\n"
         "built with: " TONEL_LIBRARIES "\n";
  return out;
}

} // namespace tonel::actors::app
