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

# What is written for one release of CAF compiles with no other: 0.16 and 0.18 have other messages,
# atoms and errors.
macro(tonel_find_caf)
  find_package(CAF QUIET)
  if(CAF_FOUND AND (CAF_VERSION VERSION_LESS 0.17.6 OR NOT CAF_VERSION VERSION_LESS 0.18))
    message(FATAL_ERROR "CAF ${CAF_VERSION} is installed; needed is 0.17.6 or a later 0.17 "
                        "(Debian 12 and 13: libcaf-dev)")
  elseif(NOT CAF_FOUND)
    list(APPEND tonel_missing libcaf-dev)
  endif()
endmacro()

tonel_find(tl-expected libexpected-dev)
if(NOT TONEL_LIBRARY_ONLY)
  tonel_find(Threads libc6-dev)
  if(NOT APPLE)
    tonel_find(Nftables libnftables-dev)
    tonel_find(Mnl libmnl-dev)
  endif()
endif()
if(TONEL_PROGRAMS)
  tonel_find_caf()
  tonel_find(nlohmann_json nlohmann-json3-dev 3.11)
endif()

if(TONEL_TLS)
  tonel_find(OpenSSL libssl-dev 3.0) # or -DTONEL_TLS=OFF, without sealed tunnels
endif()
if(TONEL_SYSTEMD)
  tonel_find(Systemd libsystemd-dev) # or -DTONEL_SYSTEMD=OFF, where there is no systemd
endif()

# Where CI runs nothing is left out silently.
set(tonel_must "$ENV{CI}")

# A part of the build lacks the packages in `lacking`: it is switched off, and that is told. Where it has to be
# there, since it was asked for or in CI, they are missing; -D${option}=OFF does without it.
macro(tonel_leave_out_or_demand option words)
  if(lacking AND (tonel_must OR NOT ${option} STREQUAL AUTO))
    list(APPEND tonel_missing ${lacking})
  elseif(lacking)
    list(JOIN lacking " " lacking)
    message(STATUS "${words}: apt-get install ${lacking}")
    set(${option} OFF)
  endif()
endmacro()

# The programs of the direct path are for the kernel: clang compiles them, libbpf loads them.
if(TONEL_BPF)
  find_program(TONEL_BPF_CLANG NAMES clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14)
  find_program(TONEL_LLVM_STRIP NAMES llvm-strip llvm-strip-19 llvm-strip-18 llvm-strip-17 llvm-strip-16
                                      llvm-strip-15 llvm-strip-14)
  find_package(Libbpf QUIET)
  set(lacking "")
  if(NOT TONEL_BPF_CLANG)
    list(APPEND lacking clang)
  endif()
  if(NOT Libbpf_FOUND)
    list(APPEND lacking libbpf-dev)
  endif()
  tonel_leave_out_or_demand(TONEL_BPF "No direct path (--firewall bpf). It needs")
endif()

# Whoever builds the programs to try them does not need man pages.
if(TONEL_PROGRAMS AND TONEL_MAN)
  find_package(Python3 QUIET COMPONENTS Interpreter)
  find_program(TONEL_SCDOC scdoc)
  set(lacking "")
  if(NOT Python3_Interpreter_FOUND)
    list(APPEND lacking python3)
  endif()
  if(NOT TONEL_SCDOC)
    list(APPEND lacking scdoc)
  endif()
  tonel_leave_out_or_demand(TONEL_MAN "No man pages. They need")
endif()
if(TONEL_TESTS)
  find_package(Python3 QUIET COMPONENTS Interpreter)
  if(NOT Python3_Interpreter_FOUND AND tonel_must)
    list(APPEND tonel_missing python3)
  elseif(NOT Python3_Interpreter_FOUND)
    message(WARNING "Most tests are left out. They need: apt-get install python3")
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
  list(REMOVE_DUPLICATES tonel_missing)
  list(JOIN tonel_missing " " tonel_missing)
  message(FATAL_ERROR "Libraries are missing. Install them with:\n"
                      "  apt-get install ${tonel_missing}\n")
endif()
