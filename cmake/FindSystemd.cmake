# Finds libsystemd, which has neither CMake files nor, without pkg-config, anything else to ask.
# Imported target: Systemd::systemd.
find_path(SYSTEMD_INCLUDE_DIR systemd/sd-daemon.h)
find_library(SYSTEMD_LIBRARY NAMES systemd)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  Systemd
  REQUIRED_VARS SYSTEMD_LIBRARY SYSTEMD_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install it with: apt-get install libsystemd-dev")
if(Systemd_FOUND AND NOT TARGET Systemd::systemd)
  add_library(Systemd::systemd UNKNOWN IMPORTED)
  set_target_properties(
    Systemd::systemd PROPERTIES IMPORTED_LOCATION "${SYSTEMD_LIBRARY}"
                                INTERFACE_INCLUDE_DIRECTORIES "${SYSTEMD_INCLUDE_DIR}")
endif()
