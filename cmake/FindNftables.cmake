# Finds libnftables (Debian: libnftables-dev).
# Imported target: Nftables::nftables.
find_path(NFTABLES_INCLUDE_DIR nftables/libnftables.h)
find_library(NFTABLES_LIBRARY NAMES nftables)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  Nftables
  REQUIRED_VARS NFTABLES_LIBRARY NFTABLES_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install it with: apt-get install libnftables-dev")
if(NFTABLES_FOUND AND NOT TARGET Nftables::nftables)
  add_library(Nftables::nftables UNKNOWN IMPORTED)
  set_target_properties(
    Nftables::nftables PROPERTIES IMPORTED_LOCATION "${NFTABLES_LIBRARY}"
                                  INTERFACE_INCLUDE_DIRECTORIES "${NFTABLES_INCLUDE_DIR}")
endif()
