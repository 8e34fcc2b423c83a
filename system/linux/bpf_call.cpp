#include "system/linux/bpf_call.hpp"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace tonel::sys {

namespace {

// Of newer headers than Debian 12 has.
constexpr std::uint32_t tcx_ingress = 46;
constexpr std::uint32_t before_all = 1U << 3; // BPF_F_BEFORE

struct create_link {
  std::uint32_t program, interface, type, flags, relative_to, padding;
  std::uint64_t revision;
};
static_assert(sizeof(create_link) == 32);

struct link_facts {
  std::uint32_t type, id, program, padding;
  std::uint32_t interface, attach_type;
  std::uint64_t more[8];
};
static_assert(offsetof(link_facts, interface) == 16);

struct get_facts {
  std::uint32_t fd, size;
  std::uint64_t facts;
};

template <class Arguments> int bpf(int command, Arguments& arguments) noexcept {
  return static_cast<int>(::syscall(SYS_bpf, command, &arguments, sizeof arguments));
}

} // namespace

result<descriptor> attach_tcx(std::uint32_t interface, int program) {
  create_link wanted{};
  wanted.program = static_cast<std::uint32_t>(program);
  wanted.interface = interface;
  wanted.type = tcx_ingress;
  wanted.flags = before_all;
  descriptor link{real_kernel(), bpf(BPF_LINK_CREATE, wanted)};
  if (!link) return unexpected{os_error{errno, "bpf BPF_LINK_CREATE", {}}};
  return link;
}

bool is_attached(const descriptor& link, std::uint32_t interface) noexcept {
  link_facts facts{};
  get_facts ask{};
  ask.fd = static_cast<std::uint32_t>(link.get());
  ask.size = sizeof facts;
  ask.facts = reinterpret_cast<std::uintptr_t>(&facts);
  return bpf(BPF_OBJ_GET_INFO_BY_FD, ask) == 0 && facts.interface == interface;
}

} // namespace tonel::sys
