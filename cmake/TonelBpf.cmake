# tonel_bpf_object(TARGET SOURCE): compiles an eBPF program to an object, and makes TARGET carry it, as the
# octets between the symbols tonel_bpf_object and tonel_bpf_object_end.
function(tonel_bpf_object target source)
  set(source "${CMAKE_CURRENT_SOURCE_DIR}/${source}")
  get_filename_component(name "${source}" NAME_WLE)
  set(object "${CMAKE_CURRENT_BINARY_DIR}/${name}.o")
  # The BPF target knows no folder of an architecture, where Debian has asm/.
  set(folders "-I${PROJECT_SOURCE_DIR}")
  if(CMAKE_LIBRARY_ARCHITECTURE)
    list(APPEND folders "-isystem/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}")
  endif()
  list(APPEND folders "-isystem${LIBBPF_INCLUDE_DIR}")
  # -g for the types (BTF), which libbpf reads the maps from; without its other half where it can be.
  set(strip "")
  if(TONEL_LLVM_STRIP)
    set(strip COMMAND "${TONEL_LLVM_STRIP}" -g "${object}")
  endif()
  # With version 3 it spills registers so that the verifier wants CAP_PERFMON.
  add_custom_command(
    OUTPUT "${object}"
    COMMAND "${TONEL_BPF_CLANG}" -target bpf -mcpu=v2 -O2 -g -Wall -Wextra
            "-ffile-prefix-map=${PROJECT_SOURCE_DIR}=." ${folders} -MMD -MF
            "${object}.d" -c "${source}" -o "${object}"
    ${strip}
    DEPENDS "${source}"
    DEPFILE "${object}.d"
    COMMENT "Building eBPF object ${name}.o"
    VERBATIM)
  set(carrier "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  file(CONFIGURE OUTPUT "${carrier}" CONTENT [[
// 8 octets: what an ELF file's headers are aligned to.
asm(".section .rodata\n"
    ".balign 8\n"
    ".globl tonel_bpf_object\n"
    "tonel_bpf_object:\n"
    ".incbin \"@object@\"\n"
    ".globl tonel_bpf_object_end\n"
    "tonel_bpf_object_end:\n"
    ".byte 0\n"
    ".previous\n");
]] @ONLY)
  set_source_files_properties("${carrier}" PROPERTIES OBJECT_DEPENDS "${object}")
  target_sources(${target} PRIVATE "${carrier}")
endfunction()
