# Finds libmnl (Debian: libmnl-dev).
# Imported target: Mnl::mnl.
include(TonelFindLibrary)
tonel_find_library(Mnl libmnl/libmnl.h mnl libmnl-dev)
