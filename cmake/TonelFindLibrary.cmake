# tonel_find_library(PACKAGE HEADER LIBRARY DEBIAN_PACKAGE): what a find module of a library does that
# has no CMake files. Imported target: PACKAGE::LIBRARY.
include(FindPackageHandleStandardArgs)
macro(tonel_find_library package header library debian)
  string(TOUPPER "${package}" tonel_prefix)
  find_path(${tonel_prefix}_INCLUDE_DIR "${header}")
  find_library(${tonel_prefix}_LIBRARY NAMES "${library}")
  find_package_handle_standard_args(
    ${package}
    REQUIRED_VARS ${tonel_prefix}_LIBRARY ${tonel_prefix}_INCLUDE_DIR
    REASON_FAILURE_MESSAGE "install it with: apt-get install ${debian}")
  if(${package}_FOUND AND NOT TARGET ${package}::${library})
    add_library(${package}::${library} UNKNOWN IMPORTED)
    set_target_properties(
      ${package}::${library} PROPERTIES
      IMPORTED_LOCATION "${${tonel_prefix}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${${tonel_prefix}_INCLUDE_DIR}")
  endif()
endmacro()
