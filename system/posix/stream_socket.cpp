#include "system/stream_socket.hpp"

#include "system/posix/platform.hpp"
#include "system/posix/socket_address.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace tonel::sys {

namespace {

// With a full queue the kernel drops the SYN, and a client waits a second to repeat it.
constexpr int backlog = 128;
constexpr std::size_t largest_answer = std::size_t{64} << 20;

descriptor owned(int fd) { return {real_kernel(), fd}; }

os_error failed(const char* operation, std::string detail) {
  return {errno, operation, std::move(detail)};
}

result<sockaddr_un> local_address(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof out.sun_path)
    return unexpected{os_error{ENAMETOOLONG, "bind", path}};
  std::memcpy(out.sun_path, path.c_str(), path.size() + 1);
  return out;
}

int bind_to(int fd, const sockaddr_un& address) {
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

/// Whether a live process listens at this address.
bool is_served(const sockaddr_un& address) {
  const auto probe = owned(open_socket(AF_UNIX, SOCK_STREAM));
  if (!probe) return true;
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
         errno != ECONNREFUSED;
}

} // namespace

io_state stream_connection::read(std::string& into, std::size_t most) noexcept {
  char octets[4096];
  for (;;) {
    const auto n = ::recv(fd_.get(), octets, std::min(most, sizeof octets), 0);
    if (n > 0) {
      into.append(octets, static_cast<std::size_t>(n));
      return io_state::done;
    }
    if (n == 0) return io_state::ended;
    if (errno == EINTR) continue;
    return errno == EAGAIN ? io_state::would_block : io_state::ended;
  }
}

io_state stream_connection::write(std::string_view from, std::size_t& at) noexcept {
  while (at < from.size()) {
    const auto n = ::send(fd_.get(), from.data() + at, from.size() - at, send_quietly);
    if (n >= 0) {
      at += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      return errno == EAGAIN ? io_state::would_block : io_state::ended;
    }
  }
  return io_state::done;
}

std::optional<uid_t> stream_connection::peer_user() const noexcept {
  return user_of_peer(fd_.get());
}

void remove_unserved(const std::string& path) noexcept {
  const auto address = local_address(path);
  const auto slash = path.rfind('/');
  if (!address || slash == std::string::npos) return;
  // Under the lock of listen_local(), where a socket that is bound already listens.
  const auto lock =
      owned(::open(path.substr(0, slash + 1).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0) return;
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0 && S_ISSOCK(there.st_mode) && !is_served(*address))
    ::unlink(path.c_str());
}

result<stream_listener> stream_listener::listen_local(const std::string& path) {
  const auto address = local_address(path);
  if (!address) return unexpected{address.error()};
  auto fd = owned(open_socket(AF_UNIX, SOCK_STREAM));
  if (!fd) return unexpected{failed("socket", path)};
  // Before bind, so that others can never connect; the umask would change for the whole process.
  // macOS has no mode for a socket without a name, but before listen() nobody can connect either.
  const bool restricted = ::fchmod(fd.get(), 0600) == 0;
  if (!restricted && errno != EINVAL) return unexpected{failed("fchmod", path)};
  // Two processes that start at once must not take each other's new socket for a leftover.
  const auto slash = path.rfind('/');
  const auto folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const auto lock = owned(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock) return unexpected{failed("open", folder)};
  if (::flock(lock.get(), LOCK_EX) != 0) return unexpected{failed("flock", folder)};
  if (bind_to(fd.get(), *address) != 0) {
    if (errno != EADDRINUSE) return unexpected{failed("bind", path)};
    // A plain file refuses connections, too.
    struct stat there {};
    const bool is_socket = ::lstat(path.c_str(), &there) == 0 && S_ISSOCK(there.st_mode);
    if (!is_socket || is_served(*address)) return unexpected{os_error{EADDRINUSE, "bind", path}};
    ::unlink(path.c_str());
    if (bind_to(fd.get(), *address) != 0) return unexpected{failed("bind", path)};
  }
  stream_listener out{std::move(fd), path};
  struct stat made {};
  if (::stat(path.c_str(), &made) == 0) {
    out.device_ = made.st_dev;
    out.inode_ = made.st_ino;
  }
  if (!restricted && ::chmod(path.c_str(), 0600) != 0) return unexpected{failed("chmod", path)};
  if (::listen(out.fd(), backlog) != 0) return unexpected{failed("listen", path)};
  return out;
}

result<stream_listener> stream_listener::listen_tcp(const protocol::endpoint& address) {
  const auto domain = address.address.is_v6() ? AF_INET6 : AF_INET;
  auto fd = owned(open_socket(domain, SOCK_STREAM));
  if (!fd) return unexpected{failed("socket", address.to_string())};
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socket_address where{};
  const auto size = encode(address, 0, false, where);
  if (::bind(fd.get(), &where.any, size) != 0)
    return unexpected{failed("bind", address.to_string())};
  if (::listen(fd.get(), backlog) != 0) return unexpected{failed("listen", address.to_string())};
  return stream_listener{std::move(fd), {}};
}

stream_listener::stream_listener(stream_listener&& other) noexcept
    : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})), device_(other.device_),
      inode_(other.inode_) {}

stream_listener::~stream_listener() {
  if (path_.empty() || !fd_) return;
  // Only our own: another may have taken its place.
  struct stat now {};
  if (::stat(path_.c_str(), &now) == 0 && now.st_dev == device_ && now.st_ino == inode_)
    ::unlink(path_.c_str());
}

result<std::optional<stream_connection>> stream_listener::accept() {
  const int fd = accept_connection(fd_.get());
  if (fd >= 0) return stream_connection{owned(fd)};
  if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
    return unexpected{failed("accept", path_)};
  // Other errors belong to the connection, which is gone (man 2 accept, "Error handling").
  return std::nullopt;
}

namespace {

using clock = std::chrono::steady_clock;

/// Waits until the socket is ready for `events`; false: not until then.
bool wait_for(int fd, short events, clock::time_point until) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - clock::now()).count();
    if (left <= 0) return false;
    pollfd p{fd, events, 0};
    const int n = ::poll(&p, 1, static_cast<int>(left));
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) return false;
  }
}

} // namespace

result<std::string> ask_local(const std::string& path, std::string_view line, int timeout) {
  const auto until = clock::now() + std::chrono::milliseconds{timeout};
  const auto error = [&](int number, const char* operation) {
    return unexpected{os_error{number, operation, path}};
  };
  const auto address = local_address(path);
  if (!address) return unexpected{address.error()};
  stream_connection to{owned(open_socket(AF_UNIX, SOCK_STREAM))};
  if (to.fd() < 0) return error(errno, "socket");
  if (::connect(to.fd(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0)
    return error(errno == EAGAIN ? ETIMEDOUT : errno, "connect");
  for (std::size_t at = 0; at < line.size();) {
    const auto state = to.write(line, at);
    if (state == io_state::ended) return error(EPROTO, "send");
    if (state == io_state::would_block && !wait_for(to.fd(), POLLOUT, until))
      return error(ETIMEDOUT, "send");
  }
  std::string answer;
  for (;;) {
    const auto state = to.read(answer, largest_answer);
    if (const auto end = answer.find('\n', answer.size() > 4096 ? answer.size() - 4096 : 0);
        end != std::string::npos) {
      answer.resize(end);
      return answer;
    }
    if (state == io_state::ended) return error(EPROTO, "recv");
    if (answer.size() > largest_answer) return error(EMSGSIZE, "recv");
    if (state == io_state::would_block && !wait_for(to.fd(), POLLIN, until))
      return error(ETIMEDOUT, "recv");
  }
}

} // namespace tonel::sys
