# Installs protocol/ as a library for other programs (docs/library.md): headers, static library,
# CMake package and pkg-config file. All of it, and nothing else, is of the component `dev`, which is
# what a package libtonel-dev takes; a plain `cmake --install` leaves it out:
#   cmake --install build/release --component dev --prefix /usr
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set_target_properties(tonel_protocol PROPERTIES EXPORT_NAME protocol OUTPUT_NAME tonel-protocol)
set(tonel_library_link_options "")
if(TONEL_SANITIZE)
  # Who links a library with sanitizers needs their run-time.
  set(tonel_library_link_options "-fsanitize=${TONEL_SANITIZE}")
  target_link_options(tonel_protocol INTERFACE
                      "$<INSTALL_INTERFACE:${tonel_library_link_options}>")
endif()
install(
  TARGETS tonel_protocol
  EXPORT tonel
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dev EXCLUDE_FROM_ALL
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")

set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/tonel")
install(EXPORT tonel NAMESPACE tonel:: FILE tonel-targets.cmake DESTINATION "${package_folder}"
        COMPONENT dev EXCLUDE_FROM_ALL)
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/tonel-config.cmake.in" "${PROJECT_BINARY_DIR}/library/tonel-config.cmake"
  INSTALL_DESTINATION "${package_folder}" NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change anything.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/library/tonel-config-version.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/library/tonel-config.cmake"
              "${PROJECT_BINARY_DIR}/library/tonel-config-version.cmake"
        DESTINATION "${package_folder}" COMPONENT dev EXCLUDE_FROM_ALL)

# Within another project its sources take the headers from here; otherwise they, like the .pc file, are
# written at install time.
target_include_directories(tonel_protocol
                           INTERFACE "$<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/library/include>")
if(NOT PROJECT_IS_TOP_LEVEL)
  include(TonelHeaders)
  tonel_write_headers("${PROJECT_SOURCE_DIR}/protocol"
                      "${PROJECT_BINARY_DIR}/library/include/tonel/protocol" ${protocol_headers})
  list(TRANSFORM protocol_headers PREPEND "${PROJECT_SOURCE_DIR}/protocol/" OUTPUT_VARIABLE sources)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${sources})
endif()
list(JOIN protocol_headers " " protocol_header_words)
configure_file("${PROJECT_SOURCE_DIR}/cmake/install_library.cmake.in"
               "${PROJECT_BINARY_DIR}/library/install_library.cmake" @ONLY)
install(SCRIPT "${PROJECT_BINARY_DIR}/library/install_library.cmake" COMPONENT dev EXCLUDE_FROM_ALL)
