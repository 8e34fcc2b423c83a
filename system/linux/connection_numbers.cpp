#include "system/connection_probe.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace tonel::sys {

namespace {

// Of linux/tcp.h, which contradicts netinet/tcp.h.
constexpr int repair_receive_queue = 1;
constexpr int repair_send_queue = 2;
constexpr int repair_off_without_probe = -1;

result<protocol::seq_num> next_of(int fd, int queue) {
  std::uint32_t next = 0;
  socklen_t size = sizeof next;
  if (::setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof queue) != 0 ||
      ::getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &next, &size) != 0)
    return unexpected{os_error{errno, "TCP_QUEUE_SEQ", ""}};
  return protocol::seq_num{next};
}

} // namespace

/// Read by the way in which checkpoints of processes do (CRIU): it stops the connection for a moment.
/// Source: linux/net/ipv4/tcp.c, do_tcp_setsockopt
result<connection_probe::numbers> connection_probe::initial_numbers() const {
  const int on = 1;
  if (::setsockopt(fd_.get(), IPPROTO_TCP, TCP_REPAIR, &on, sizeof on) != 0)
    return unexpected{os_error{errno, "TCP_REPAIR", ""}};
  const auto own = next_of(fd_.get(), repair_send_queue);
  const auto other = next_of(fd_.get(), repair_receive_queue);
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_REPAIR, &repair_off_without_probe,
               sizeof repair_off_without_probe);
  if (!own) return unexpected{own.error()};
  if (!other) return unexpected{other.error()};
  // Nothing was said yet: one beyond each SYN.
  return numbers{*own - 1, *other - 1};
}

} // namespace tonel::sys
