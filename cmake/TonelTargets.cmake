# Flags that every target of the project shares; libraries from the system stay out of -Wall's sight
# because their include folders are SYSTEM.
add_library(tonel_flags INTERFACE)
target_include_directories(tonel_flags INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(
  tonel_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wold-style-cast
                        -Wnon-virtual-dtor -fno-omit-frame-pointer)
if(TONEL_WERROR)
  target_compile_options(tonel_flags INTERFACE -Werror)
endif()
if(TONEL_SANITIZE)
  # Without vptr: it opens descriptors to look at an object, and tests take all of them away.
  target_compile_options(tonel_flags INTERFACE -fsanitize=${TONEL_SANITIZE} -fno-sanitize=vptr
                                               -fno-sanitize-recover=undefined)
  target_link_options(tonel_flags INTERFACE -fsanitize=${TONEL_SANITIZE})
endif()
