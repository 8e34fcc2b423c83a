#pragma once

#include "system/slab.hpp"

#include <string>
#ifdef TONEL_FAULTS
#include <stdexcept>
#include <string_view>
#endif

namespace tonel::actors {

/// In builds with TONEL_FAULTS a datagram that reads "tonel-fault:PLACE" makes the actor at that place
/// throw, so that tests see the real binaries survive it. In all others: nothing.
inline void provoke_fault([[maybe_unused]] const char* place,
                          [[maybe_unused]] const sys::chunk& datagrams) {
#ifdef TONEL_FAULTS
  const auto bytes = datagrams.bytes();
  const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  if (text == std::string{"tonel-fault:"} + place)
    throw std::runtime_error(std::string{"provoked at "} + place);
#endif
}

/// The same for actors that see no datagrams: text that comes to them otherwise, with dashes for what
/// their kind of text cannot hold ("tonel-fault-PLACE").
inline void provoke_fault([[maybe_unused]] const char* place,
                          [[maybe_unused]] const std::string& text) {
#ifdef TONEL_FAULTS
  if (text == std::string{"tonel-fault-"} + place)
    throw std::runtime_error(std::string{"provoked at "} + place);
#endif
}

#ifdef TONEL_FAULTS
/// Where the next fault of an actor that sees neither is to be; a test's.
/// Thread: the tests run all on one
inline std::string& fault_place() {
  static std::string place;
  return place;
}
#endif

/// The same for actors that see neither.
inline void provoke_fault([[maybe_unused]] const char* place) {
#ifdef TONEL_FAULTS
  if (fault_place() != place) return;
  fault_place().clear();
  throw std::runtime_error(std::string{"provoked at "} + place);
#endif
}

} // namespace tonel::actors
