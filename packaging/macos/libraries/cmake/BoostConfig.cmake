# Of packaging/macos/build-all, which says where headers and libraries are.
set(Boost_VERSION 1.74.0)
set(Boost_INCLUDE_DIRS "${TONEL_INCLUDE}")
if(NOT TARGET Boost::headers)
  add_library(Boost::headers INTERFACE IMPORTED)
  set_target_properties(
    Boost::headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${TONEL_INCLUDE}"
    INTERFACE_COMPILE_DEFINITIONS _LIBCPP_ENABLE_CXX17_REMOVED_UNARY_BINARY_FUNCTION
    INTERFACE_COMPILE_OPTIONS -Wno-enum-constexpr-conversion)
  add_library(Boost::boost ALIAS Boost::headers)
  foreach(name IN ITEMS atomic chrono filesystem thread program_options log)
    add_library(Boost::${name} STATIC IMPORTED)
    set_target_properties(
      Boost::${name} PROPERTIES IMPORTED_LOCATION "${TONEL_LIBRARIES}/lib/libboost_${name}.a"
      INTERFACE_LINK_LIBRARIES Boost::headers)
  endforeach()
  set_property(TARGET Boost::thread APPEND PROPERTY INTERFACE_LINK_LIBRARIES Boost::chrono)
  set_property(TARGET Boost::filesystem APPEND PROPERTY INTERFACE_LINK_LIBRARIES Boost::atomic)
  set_property(TARGET Boost::log APPEND PROPERTY INTERFACE_LINK_LIBRARIES Boost::filesystem
                                                 Boost::thread)
endif()
foreach(component IN LISTS Boost_FIND_COMPONENTS)
  if(TARGET Boost::${component})
    set(Boost_${component}_FOUND TRUE)
  endif()
endforeach()
