# tonel_build_info(TARGET SOURCE): compiles into SOURCE what --version tells beside the version, the
# features of this build and the versions of the libraries it is built with.

# Libraries without a version in their CMake files tell it to pkg-config; without that it is left out.
find_package(PkgConfig QUIET)
function(tonel_library_version out name package)
  set(version "${${package}_VERSION}")
  if(NOT version AND PKG_CONFIG_FOUND)
    pkg_check_modules(TONEL_${package} QUIET "${package}")
    set(version "${TONEL_${package}_VERSION}")
  endif()
  if(version)
    list(APPEND ${out} "${name} ${version}")
  else()
    list(APPEND ${out} "${name}")
  endif()
  set(${out} "${${out}}" PARENT_SCOPE)
endfunction()

function(tonel_build_info target source)
  set(features "malloc=${TONEL_MALLOC}")
  foreach(feature IN ITEMS SYSTEMD FAULTS)
    string(TOLOWER "${feature}" name)
    if(TONEL_${feature})
      list(APPEND features "+${name}")
    else()
      list(APPEND features "-${name}")
    endif()
  endforeach()
  if(TONEL_SANITIZE)
    list(APPEND features "sanitize=${TONEL_SANITIZE}")
  endif()
  list(JOIN features " " features)

  set(libraries "")
  tonel_library_version(libraries "CAF" CAF)
  tonel_library_version(libraries "Boost" Boost)
  tonel_library_version(libraries "nlohmann-json" nlohmann_json)
  if(TARGET Nftables::nftables)
    tonel_library_version(libraries "libnftables" libnftables)
    tonel_library_version(libraries "libmnl" libmnl)
  endif()
  if(TONEL_SYSTEMD)
    tonel_library_version(libraries "libsystemd" libsystemd)
  endif()
  list(APPEND libraries "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
  list(JOIN libraries ", " libraries)

  set_property(
    SOURCE "${source}" TARGET_DIRECTORY "${target}" APPEND
    PROPERTY COMPILE_DEFINITIONS "TONEL_VERSION=\"${PROJECT_VERSION}\""
             "TONEL_FEATURES=\"${features}\"" "TONEL_LIBRARIES=\"${libraries}\"")
endfunction()
