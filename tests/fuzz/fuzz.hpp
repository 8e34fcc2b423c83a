#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace tonel::fuzz {

/// Valid inputs for the target, to start from.
std::vector<std::vector<std::uint8_t>> seeds();

/// Checks an invariant of the target, also in release builds.
inline void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

} // namespace tonel::fuzz
