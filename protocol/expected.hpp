#pragma once

#include <tl/expected.hpp>

namespace tonel {

// Spelled as C++23's std::expected, which can take its place one day.
using tl::expected;
using tl::unexpected;

} // namespace tonel
