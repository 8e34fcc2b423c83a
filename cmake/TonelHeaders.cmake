# tonel_write_headers(FROM TO HEADER...): protocol/'s headers as other programs get them. The sources
# include "protocol/x.hpp" from the root of the repository; elsewhere that would be a name which any
# program may have, too.
function(tonel_write_headers from to)
  foreach(header IN LISTS ARGN)
    file(READ "${from}/${header}" text)
    string(REPLACE "#include \"protocol/" "#include \"tonel/protocol/" text "${text}")
    file(WRITE "${to}/${header}" "${text}")
  endforeach()
endfunction()
