// Compares what abi.hpp declares with the SDK that this is compiled with.
#include "system/macos/abi.hpp"

#include <net/if.h>
#include <net/if_dl.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sys/event.h>
#include <sys/ioctl.h>
#include <sys/kern_control.h>
#include <sys/socket.h>
#include <sys/sockio.h>
#include <time.h>

#include <cstddef>
#include <type_traits>

#if __has_include(<netinet6/in6_var.h>)
#include <netinet6/in6_var.h>
#define TONEL_HAS_IN6_VAR 1
#endif
#if __has_include(<net/if_utun.h>)
#include <net/if_utun.h>
#define TONEL_HAS_IF_UTUN 1
#endif

namespace tonel::sys::darwin {

static_assert(af_inet == AF_INET && af_inet6 == AF_INET6 && af_link == AF_LINK);
static_assert(af_system == AF_SYSTEM && pf_system == PF_SYSTEM && pf_route == PF_ROUTE);
static_assert(sock_raw == SOCK_RAW && sock_dgram == SOCK_DGRAM);

static_assert(sizeof(ctl_info) == sizeof(::ctl_info) &&
              offsetof(ctl_info, name) == offsetof(::ctl_info, ctl_name));
static_assert(sizeof(sockaddr_ctl) == sizeof(::sockaddr_ctl) &&
              offsetof(sockaddr_ctl, address) == offsetof(::sockaddr_ctl, ss_sysaddr) &&
              offsetof(sockaddr_ctl, id) == offsetof(::sockaddr_ctl, sc_id) &&
              offsetof(sockaddr_ctl, unit) == offsetof(::sockaddr_ctl, sc_unit));
static_assert(sizeof(sockaddr_in) == sizeof(::sockaddr_in) &&
              offsetof(sockaddr_in, address) == offsetof(::sockaddr_in, sin_addr));
static_assert(sizeof(sockaddr_in6) == sizeof(::sockaddr_in6) &&
              offsetof(sockaddr_in6, address) == offsetof(::sockaddr_in6, sin6_addr) &&
              offsetof(sockaddr_in6, scope) == offsetof(::sockaddr_in6, sin6_scope_id));
static_assert(sizeof(sockaddr_dl) == sizeof(::sockaddr_dl) &&
              offsetof(sockaddr_dl, index) == offsetof(::sockaddr_dl, sdl_index) &&
              offsetof(sockaddr_dl, data) == offsetof(::sockaddr_dl, sdl_data));
static_assert(name_size == IFNAMSIZ);
static_assert(sizeof(ifreq) == sizeof(::ifreq) &&
              offsetof(ifreq, value) == offsetof(::ifreq, ifr_ifru));
static_assert(sizeof(ifaliasreq) == sizeof(::ifaliasreq) &&
              offsetof(ifaliasreq, destination) == offsetof(::ifaliasreq, ifra_broadaddr) &&
              offsetof(ifaliasreq, mask) == offsetof(::ifaliasreq, ifra_mask));
static_assert(sizeof(rt_msghdr) == sizeof(::rt_msghdr) &&
              offsetof(rt_msghdr, index) == offsetof(::rt_msghdr, rtm_index) &&
              offsetof(rt_msghdr, flags) == offsetof(::rt_msghdr, rtm_flags) &&
              offsetof(rt_msghdr, addresses) == offsetof(::rt_msghdr, rtm_addrs) &&
              offsetof(rt_msghdr, pid) == offsetof(::rt_msghdr, rtm_pid) &&
              offsetof(rt_msghdr, sequence) == offsetof(::rt_msghdr, rtm_seq) &&
              offsetof(rt_msghdr, error) == offsetof(::rt_msghdr, rtm_errno) &&
              offsetof(rt_msghdr, inits) == offsetof(::rt_msghdr, rtm_inits));
static_assert(sizeof(queue_event) == sizeof(struct ::kevent) &&
              offsetof(queue_event, filter) == offsetof(struct ::kevent, filter) &&
              offsetof(queue_event, flags) == offsetof(struct ::kevent, flags) &&
              offsetof(queue_event, filter_flags) == offsetof(struct ::kevent, fflags) &&
              offsetof(queue_event, data) == offsetof(struct ::kevent, data) &&
              offsetof(queue_event, token) == offsetof(struct ::kevent, udata));

static_assert(rt_msghdr{}.version == RTM_VERSION);
static_assert(rtm_add == RTM_ADD && rtm_delete == RTM_DELETE && rtm_change == RTM_CHANGE &&
              rtm_get == RTM_GET && rtm_newaddr == RTM_NEWADDR && rtm_deladdr == RTM_DELADDR);
static_assert(rta_dst == RTA_DST && rta_gateway == RTA_GATEWAY && rta_netmask == RTA_NETMASK);
static_assert(rtf_up == RTF_UP && rtf_gateway == RTF_GATEWAY && rtf_host == RTF_HOST &&
              rtf_static == RTF_STATIC);

static_assert(ctliocginfo == CTLIOCGINFO);
static_assert(siocsifflags == SIOCSIFFLAGS && siocgifflags == SIOCGIFFLAGS);
static_assert(siocdifaddr == SIOCDIFADDR && siocaifaddr == SIOCAIFADDR);
static_assert(siocgifmtu == SIOCGIFMTU && siocsifmtu == SIOCSIFMTU);
static_assert(fioclex == FIOCLEX && fionbio == FIONBIO);
static_assert(iff_up == IFF_UP);

static_assert(evfilt_read == EVFILT_READ && evfilt_write == EVFILT_WRITE &&
              evfilt_signal == EVFILT_SIGNAL && evfilt_timer == EVFILT_TIMER &&
              evfilt_user == EVFILT_USER);
static_assert(ev_add == EV_ADD && ev_delete == EV_DELETE && ev_oneshot == EV_ONESHOT &&
              ev_clear == EV_CLEAR && ev_error == EV_ERROR && ev_eof == EV_EOF);
static_assert(note_trigger == NOTE_TRIGGER && note_nseconds == NOTE_NSECONDS &&
              note_critical == NOTE_CRITICAL && note_continuous == NOTE_MACH_CONTINUOUS_TIME);
static_assert(boot_clock == CLOCK_MONOTONIC_RAW && awake_clock == CLOCK_UPTIME_RAW);

#ifdef TONEL_HAS_IN6_VAR
static_assert(sizeof(in6_aliasreq) == sizeof(::in6_aliasreq) &&
              offsetof(in6_aliasreq, mask) == offsetof(::in6_aliasreq, ifra_prefixmask) &&
              offsetof(in6_aliasreq, lifetime) == offsetof(::in6_aliasreq, ifra_lifetime));
static_assert(sizeof(in6_ifreq) == sizeof(::in6_ifreq));
static_assert(siocaifaddr_in6 == SIOCAIFADDR_IN6 && siocdifaddr_in6 == SIOCDIFADDR_IN6);
static_assert(in6_iff_nodad == IN6_IFF_NODAD);
#else
// The numbers that the requests have had since they exist.
static_assert(siocaifaddr_in6 == 0x8080691a && siocdifaddr_in6 == 0x81206919);
#endif
#ifdef TONEL_HAS_IF_UTUN
static_assert(utun_opt_ifname == UTUN_OPT_IFNAME);
static_assert(sizeof utun_control_name == sizeof UTUN_CONTROL_NAME);
#endif

} // namespace tonel::sys::darwin
