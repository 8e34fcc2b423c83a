#pragma once

#include <cstdint>

namespace tonel::sys {

/// An operating system, for advice that depends on it.
enum class host_system : std::uint8_t { gnu_linux, macos };

/// The operating system that this program was built for.
host_system this_system() noexcept;

} // namespace tonel::sys
