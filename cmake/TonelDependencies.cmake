# Finds what the project builds with, and says all that is missing at once, with the command that
# installs it.
set(tonel_missing "")

# tonel_find(PACKAGE DEBIAN_PACKAGE args...): find_package, remembering what to install.
macro(tonel_find package debian)
  find_package(${package} ${ARGN} QUIET)
  if(NOT ${package}_FOUND)
    list(APPEND tonel_missing ${debian})
  endif()
endmacro()

tonel_find(Threads libc6-dev)
tonel_find(tl-expected libexpected-dev)
if(NOT APPLE)
  tonel_find(Nftables libnftables-dev)
endif()
if(TONEL_PROGRAMS)
  tonel_find(CAF libcaf-dev 0.17)
  tonel_find(nlohmann_json nlohmann-json3-dev 3.11)
endif()

if(TONEL_SYSTEMD)
  tonel_find(Systemd libsystemd-dev) # or -DTONEL_SYSTEMD=OFF, where there is no systemd
endif()

if(TONEL_PROGRAMS AND TONEL_MAN) # or -DTONEL_MAN=OFF
  tonel_find(Python3 python3 COMPONENTS Interpreter)
  find_program(TONEL_SCDOC scdoc)
  if(NOT TONEL_SCDOC)
    list(APPEND tonel_missing scdoc)
  endif()
endif()

set(tonel_boost_debian_program_options libboost-program-options1.74-dev)
set(tonel_boost_debian_log libboost-log1.74-dev)
set(tonel_boost_debian_unit_test_framework libboost-test1.74-dev)
set(tonel_boost_components "")
if(TONEL_PROGRAMS)
  list(APPEND tonel_boost_components program_options log)
endif()
if(TONEL_TESTS)
  list(APPEND tonel_boost_components unit_test_framework)
endif()
if(tonel_boost_components)
  find_package(Boost 1.74 QUIET OPTIONAL_COMPONENTS ${tonel_boost_components})
endif()
foreach(component IN LISTS tonel_boost_components)
  if(NOT TARGET Boost::${component})
    list(APPEND tonel_missing ${tonel_boost_debian_${component}})
  endif()
endforeach()
if(TONEL_BENCH)
  tonel_find(benchmark libbenchmark-dev)
endif()

if(tonel_missing)
  list(JOIN tonel_missing " " tonel_missing)
  message(FATAL_ERROR "Libraries are missing. Install them with:\n"
                      "  apt-get install ${tonel_missing}\n")
endif()
