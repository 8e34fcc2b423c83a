# Flags that every target of the project shares; libraries from the system stay out of -Wall's sight
# because their include folders are SYSTEM.
add_library(tonel_flags INTERFACE)
target_include_directories(tonel_flags INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(
  tonel_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wold-style-cast
                        -Wnon-virtual-dtor -fno-omit-frame-pointer)
if(TONEL_SANITIZE)
  target_compile_options(tonel_flags INTERFACE -fsanitize=${TONEL_SANITIZE}
                                               -fno-sanitize-recover=undefined)
  target_link_options(tonel_flags INTERFACE -fsanitize=${TONEL_SANITIZE})
endif()
if(TONEL_FAULTS)
  target_compile_definitions(tonel_flags INTERFACE TONEL_FAULTS=1)
endif()
