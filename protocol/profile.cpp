#include "protocol/profile.hpp"

namespace tonel::protocol {

const char* to_string(profile p) noexcept {
  switch (p) {
  case profile::native: return "native";
  case profile::legacy: return "legacy";
  case profile::tonel: return "tonel";
  case profile::phantun: return "phantun";
  }
  return "unknown";
}

} // namespace tonel::protocol
