# Toolchain file: compiles for macOS on Linux with Zig's Clang. Takes TONEL_ZIG (the program) and
# TONEL_MACOS_ARCH (x86_64 or aarch64).
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TONEL_ZIG TONEL_MACOS_ARCH)
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SYSTEM_PROCESSOR "${TONEL_MACOS_ARCH}")
set(CMAKE_CXX_COMPILER "${TONEL_ZIG}" c++ -target "${TONEL_MACOS_ARCH}-macos.11.0")

# CMake wants one program each.
foreach(tool IN ITEMS ar ranlib)
  set(path "${CMAKE_BINARY_DIR}/zig-${tool}")
  if(NOT EXISTS "${path}")
    file(WRITE "${path}" "#!/bin/sh\nexec '${TONEL_ZIG}' ${tool} \"$@\"\n")
    file(CHMOD "${path}" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  endif()
  string(TOUPPER "${tool}" name)
  set(CMAKE_${name} "${path}")
endforeach()

# What is installed here is for another system; tl::expected, headers alone, comes by its own file.
set(CMAKE_FIND_ROOT_PATH "${CMAKE_CURRENT_LIST_DIR}")
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(tl-expected_DIR "${CMAKE_CURRENT_LIST_DIR}")
