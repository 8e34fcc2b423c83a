#include "actors/app/programs/log.hpp"

namespace tonel::actors::app {

expected<void, option_error> start_log(const settings& chosen, bool journal) {
  if (const auto problem = open_log({chosen.level, chosen.format, chosen.log_output, journal})) {
    return unexpected{
        option_error{"--log-output", chosen.log_output, "cannot be opened: " + *problem}};
  }
  return {};
}

} // namespace tonel::actors::app
