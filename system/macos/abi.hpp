#pragma once

#include <cstddef>
#include <cstdint>

/// What the macOS kernel takes and gives, declared here since some of its headers are in no SDK that
/// can be had elsewhere, and so that code which uses it can be tested on other systems.
/// abi_check.cpp compares with the SDK's headers, as far as they are there.
/// Units:  host byte order where nothing else is said
/// Source: XNU bsd/sys/kern_control.h, bsd/net/if_utun.h, bsd/net/if.h, bsd/netinet6/in6_var.h,
///         bsd/net/route.h, bsd/sys/event.h
namespace tonel::sys::darwin {

inline constexpr std::uint8_t af_inet = 2, af_link = 18, af_inet6 = 30, af_system = 32;
inline constexpr int pf_route = 17, pf_system = 32;
inline constexpr int sock_raw = 3, sock_dgram = 2;
inline constexpr int sysproto_control = 2;
inline constexpr std::uint16_t af_sys_control = 2;
inline constexpr int utun_opt_ifname = 2;
inline constexpr char utun_control_name[] = "com.apple.net.utun_control";

/// Requests of ioctl: direction, size of the argument, group and number.
constexpr unsigned long request(unsigned long direction, std::size_t size, char group,
                                unsigned number) noexcept {
  return direction | ((size & 0x1fff) << 16) | (static_cast<unsigned long>(group) << 8) | number;
}
inline constexpr unsigned long in = 0x80000000, out = 0x40000000;

inline constexpr std::size_t name_size = 16;

struct ctl_info {
  std::uint32_t id = 0;
  char name[96] = {};
};
static_assert(sizeof(ctl_info) == 100);

struct sockaddr_ctl {
  std::uint8_t length = 32;
  std::uint8_t family = af_system;
  std::uint16_t address = af_sys_control;
  std::uint32_t id = 0;
  std::uint32_t unit = 0; ///< utunN has N + 1; 0: the kernel picks
  std::uint32_t reserved[5] = {};
};
static_assert(sizeof(sockaddr_ctl) == 32);

/// Port and address in network byte order.
struct sockaddr_in {
  std::uint8_t length = 16;
  std::uint8_t family = af_inet;
  std::uint16_t port = 0;
  std::uint8_t address[4] = {};
  std::uint8_t zero[8] = {};
};
static_assert(sizeof(sockaddr_in) == 16);

struct sockaddr_in6 {
  std::uint8_t length = 28;
  std::uint8_t family = af_inet6;
  std::uint16_t port = 0;
  std::uint32_t flow = 0;
  std::uint8_t address[16] = {};
  std::uint32_t scope = 0;
};
static_assert(sizeof(sockaddr_in6) == 28);

/// An interface by its index.
struct sockaddr_dl {
  std::uint8_t length = 20;
  std::uint8_t family = af_link;
  std::uint16_t index = 0;
  std::uint8_t type = 0, name_length = 0, address_length = 0, selector_length = 0;
  char data[12] = {};
};
static_assert(sizeof(sockaddr_dl) == 20);

/// With a number: MTU, or flags in its first two octets.
struct ifreq {
  char name[name_size] = {};
  std::int32_t value = 0;
  std::uint8_t rest[12] = {};
};
static_assert(sizeof(ifreq) == 32);

/// With an address.
struct ifreq_address {
  char name[name_size] = {};
  sockaddr_in address;
};
static_assert(sizeof(ifreq_address) == 32);

struct ifaliasreq {
  char name[name_size] = {};
  sockaddr_in address, destination, mask;
};
static_assert(sizeof(ifaliasreq) == 64);

struct in6_addrlifetime {
  std::int64_t expire = 0, preferred = 0;
  std::uint32_t valid_for = 0xffffffff, preferred_for = 0xffffffff; ///< for ever
};

struct in6_aliasreq {
  char name[name_size] = {};
  sockaddr_in6 address, destination, mask;
  std::uint32_t flags = 0;
  in6_addrlifetime lifetime;
};
static_assert(sizeof(in6_aliasreq) == 128);

struct in6_ifreq {
  char name[name_size] = {};
  sockaddr_in6 address;
  std::uint8_t rest[244] = {};
};
static_assert(sizeof(in6_ifreq) == 288);

/// No duplicate address detection.
inline constexpr std::uint32_t in6_iff_nodad = 0x20;

inline constexpr auto ctliocginfo = request(in | out, sizeof(ctl_info), 'N', 3);
inline constexpr auto siocsifflags = request(in, sizeof(ifreq), 'i', 16);
inline constexpr auto siocgifflags = request(in | out, sizeof(ifreq), 'i', 17);
inline constexpr auto siocdifaddr = request(in, sizeof(ifreq_address), 'i', 25);
inline constexpr auto siocaifaddr = request(in, sizeof(ifaliasreq), 'i', 26);
inline constexpr auto siocgifmtu = request(in | out, sizeof(ifreq), 'i', 51);
inline constexpr auto siocsifmtu = request(in, sizeof(ifreq), 'i', 52);
inline constexpr auto siocdifaddr_in6 = request(in, sizeof(in6_ifreq), 'i', 25);
inline constexpr auto siocaifaddr_in6 = request(in, sizeof(in6_aliasreq), 'i', 26);
inline constexpr auto fioclex = 0x20006601ul;
inline constexpr auto fionbio = request(in, 4, 'f', 126);
inline constexpr std::uint16_t iff_up = 1;

/// A message of a routing socket; addresses follow, each at a multiple of four octets.
struct rt_msghdr {
  std::uint16_t length = 0;
  std::uint8_t version = 5, type = 0;
  std::uint16_t index = 0;
  std::int32_t flags = 0, addresses = 0, pid = 0, sequence = 0, error = 0, use = 0;
  std::uint32_t inits = 0, metrics[14] = {};
};
static_assert(sizeof(rt_msghdr) == 92);

inline constexpr std::uint8_t rtm_add = 1, rtm_delete = 2, rtm_change = 3, rtm_get = 4,
                              rtm_newaddr = 12, rtm_deladdr = 13;
inline constexpr std::int32_t rta_dst = 1, rta_gateway = 2, rta_netmask = 4;
inline constexpr std::int32_t rtf_up = 1, rtf_gateway = 2, rtf_host = 4, rtf_static = 0x800;

/// struct kevent.
struct queue_event {
  std::uint64_t ident = 0;
  std::int16_t filter = 0;
  std::uint16_t flags = 0;
  std::uint32_t filter_flags = 0;
  std::int64_t data = 0;
  std::uint64_t token = 0; ///< udata
};
static_assert(sizeof(queue_event) == 32);

inline constexpr std::int16_t evfilt_read = -1, evfilt_write = -2, evfilt_signal = -6,
                              evfilt_timer = -7, evfilt_user = -10;
inline constexpr std::uint16_t ev_add = 1, ev_delete = 2, ev_oneshot = 0x10, ev_clear = 0x20,
                               ev_error = 0x4000, ev_eof = 0x8000;
inline constexpr std::uint32_t note_trigger = 0x01000000;
inline constexpr std::uint32_t note_nseconds = 4, note_critical = 0x20, note_continuous = 0x80;

/// CLOCK_MONOTONIC_RAW, which goes on while the machine sleeps, and CLOCK_UPTIME_RAW, which does not.
inline constexpr int boot_clock = 4, awake_clock = 8;

} // namespace tonel::sys::darwin
