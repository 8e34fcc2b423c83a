#include "system/connection_probe.hpp"

#include <cerrno>

namespace tonel::sys {

result<connection_probe::numbers> connection_probe::initial_numbers() const {
  return unexpected{os_error{ENOTSUP, "initial sequence numbers", ""}};
}

} // namespace tonel::sys
