#include "system/connection_probe.hpp"

#include "system/posix/interfaces.hpp"
#include "system/posix/socket_address.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>

namespace tonel::sys {

namespace {

int milliseconds(protocol::duration d) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

/// Waits for the event; false: it did not come in time.
bool wait_for(int fd, short event, protocol::duration patience) {
  pollfd one{fd, event, 0};
  return ::poll(&one, 1, milliseconds(patience)) > 0;
}

} // namespace

result<connection_probe> connection_probe::open(const protocol::endpoint& to,
                                                protocol::duration patience, std::uint32_t mark) {
  const bool v6 = to.address.is_v6();
  descriptor fd{real_kernel(), ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0)};
  if (!fd) return unexpected{os_error{errno, "socket", ""}};
  ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  set_mark(fd.get(), mark);
  const int on = 1; // what is said goes out as it is said
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  socket_address address{};
  const auto size = encode(to, 0, false, address);
  if (::connect(fd.get(), &address.any, size) != 0 && errno != EINPROGRESS)
    return unexpected{os_error{errno, "connect", to.to_string()}};
  if (!wait_for(fd.get(), POLLOUT, patience))
    return unexpected{os_error{ETIMEDOUT, "connect", to.to_string()}};
  int failed = 0;
  socklen_t length = sizeof failed;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failed, &length);
  if (failed != 0) return unexpected{os_error{failed, "connect", to.to_string()}};
  return connection_probe{std::move(fd)};
}

result<void> connection_probe::say(protocol::byte_view octets) const {
#ifdef MSG_NOSIGNAL
  constexpr int flags = MSG_NOSIGNAL;
#else
  constexpr int flags = 0;
#endif
  if (::send(fd_.get(), octets.data(), octets.size(), flags) < 0)
    return unexpected{os_error{errno, "send", ""}};
  return {};
}

std::size_t connection_probe::segment_size() const {
  int octets = 0;
  socklen_t length = sizeof octets;
  if (::getsockopt(fd_.get(), IPPROTO_TCP, TCP_MAXSEG, &octets, &length) != 0 || octets < 0)
    return 0;
  return static_cast<std::size_t>(octets);
}

void connection_probe::listen(heard& so_far, protocol::duration patience) const {
  if (so_far.is != end::none || !wait_for(fd_.get(), POLLIN, patience)) return;
  std::array<std::uint8_t, 2048> octets{};
  const auto got = ::recv(fd_.get(), octets.data(), octets.size(), 0);
  if (got > 0)
    so_far.octets.insert(so_far.octets.end(), octets.begin(), octets.begin() + got);
  else
    so_far.is = got == 0 ? end::closed : end::reset;
}

result<void> knock(const protocol::endpoint& at, protocol::duration patience) {
  const descriptor fd{real_kernel(),
                      ::socket(at.address.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM, 0)};
  if (!fd) return unexpected{os_error{errno, "socket", ""}};
  ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  socket_address address{};
  const auto size = encode(at, 0, false, address);
  if (::connect(fd.get(), &address.any, size) != 0 || ::send(fd.get(), "", 0, 0) != 0)
    return unexpected{os_error{errno, "connect", at.to_string()}};
  // ICMP is an error of the socket, for which poll() needs no event.
  if (!wait_for(fd.get(), POLLIN, patience)) return {};
  int failed = 0;
  socklen_t length = sizeof failed;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failed, &length);
  if (failed != 0) return unexpected{os_error{failed, "send", at.to_string()}};
  return {};
}

} // namespace tonel::sys
