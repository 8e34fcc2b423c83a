# Of packaging/macos/build-all, which says where source and libraries are.
set(CAF_VERSION 0.17.6)
if(NOT TARGET CAF::core)
  add_library(CAF::core STATIC IMPORTED)
  set_target_properties(
    CAF::core PROPERTIES IMPORTED_LOCATION "${TONEL_LIBRARIES}/lib/libcaf_core.a"
    INTERFACE_INCLUDE_DIRECTORIES "${TONEL_LIBRARIES}/include;${CAF_SOURCE}/libcaf_core")
endif()
