# Finds libnftables (Debian: libnftables-dev).
# Imported target: Nftables::nftables.
include(TonelFindLibrary)
tonel_find_library(Nftables nftables/libnftables.h nftables libnftables-dev)
