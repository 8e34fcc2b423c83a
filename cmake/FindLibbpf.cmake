# Finds libbpf (Debian: libbpf-dev).
# Imported target: Libbpf::bpf.
include(TonelFindLibrary)
tonel_find_library(Libbpf bpf/libbpf.h bpf libbpf-dev)
