#pragma once

#include <cstdint>

namespace tonel::sys {

/// An operating system, for those who tell people what to do about it.
enum class host_system : std::uint8_t { gnu_linux, macos };

/// The one that this program was built for.
host_system this_system() noexcept;

} // namespace tonel::sys
