# tl::expected for a build for another system: of all that lies in /usr/include it gets this one folder.
find_path(TONEL_EXPECTED_DIR tl/expected.hpp PATHS /usr/include NO_CMAKE_FIND_ROOT_PATH)
if(NOT TONEL_EXPECTED_DIR)
  set(tl-expected_FOUND FALSE)
  return()
endif()
file(COPY "${TONEL_EXPECTED_DIR}/tl" DESTINATION "${CMAKE_BINARY_DIR}/include")
if(NOT TARGET tl::expected)
  add_library(tl::expected INTERFACE IMPORTED)
  set_target_properties(tl::expected PROPERTIES INTERFACE_INCLUDE_DIRECTORIES
                                                "${CMAKE_BINARY_DIR}/include")
endif()
