# Finds libsystemd, which has neither CMake files nor, without pkg-config, anything else to ask.
# Imported target: Systemd::systemd.
include(TonelFindLibrary)
tonel_find_library(Systemd systemd/sd-daemon.h systemd libsystemd-dev)
