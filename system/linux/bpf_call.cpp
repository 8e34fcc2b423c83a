#include "system/linux/bpf_call.hpp"

#include <linux/bpf.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
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

using capability_sets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

bool get_capabilities(capability_sets& into) noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return ::syscall(SYS_capget, &header, into.data()) == 0;
}

bool set_capabilities(const capability_sets& to) noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return ::syscall(SYS_capset, &header, to.data()) == 0;
}

constexpr std::uint32_t mask_of(unsigned capability) noexcept { return 1U << (capability % 32); }

bool has(const capability_sets& sets, unsigned capability) noexcept {
  return (sets[capability / 32].permitted & mask_of(capability)) != 0;
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

bool has_perfmon() noexcept {
  capability_sets had{};
  return get_capabilities(had) && (has(had, CAP_PERFMON) || has(had, CAP_SYS_ADMIN));
}

void give_up_bpf(const std::function<bool()>& works) {
  capability_sets had{};
  if (!get_capabilities(had) || !has(had, CAP_BPF) || has(had, CAP_SYS_ADMIN)) return;
  auto less = had;
  for (const unsigned capability : {CAP_BPF, CAP_PERFMON})
    less[capability / 32].effective &= ~mask_of(capability);
  if (!set_capabilities(less)) return;
  if (!works()) {
    static_cast<void>(set_capabilities(had));
    return;
  }
  for (const unsigned capability : {CAP_BPF, CAP_PERFMON}) {
    less[capability / 32].permitted &= ~mask_of(capability);
    less[capability / 32].inheritable &= ~mask_of(capability);
  }
  static_cast<void>(set_capabilities(less));
}

} // namespace tonel::sys
