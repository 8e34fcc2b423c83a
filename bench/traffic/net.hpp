#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace tonel::bench {

/// An IPv4 or IPv6 address with a port.
struct endpoint {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } raw{};

  int family() const noexcept { return raw.any.sa_family; }
  socklen_t size() const noexcept {
    return family() == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  }
  std::uint16_t port() const noexcept;
  void set_port(std::uint16_t port) noexcept;
  std::string text() const;

  bool operator==(const endpoint& o) const noexcept {
    if (family() != o.family() || port() != o.port()) return false;
    if (family() == AF_INET6) return std::memcmp(&raw.v6.sin6_addr, &o.raw.v6.sin6_addr, 16) == 0;
    return raw.v4.sin_addr.s_addr == o.raw.v4.sin_addr.s_addr;
  }
};

struct endpoint_hash {
  std::size_t operator()(const endpoint& e) const noexcept;
};

/// "HOST:PORT" or "[V6]:PORT" as an endpoint. Ends the program with a message if it is not one.
endpoint resolve(const std::string& text);
/// Lets the process open as many sockets as it may at all.
void raise_descriptor_limit();

/// An open UDP socket with the largest buffers that the process may have.
/// Owns:   the descriptor
/// Errors: the constructor and the members end the program with the reason: a tool that measures
///         cannot go on without its socket
class udp_socket {
public:
  explicit udp_socket(int family);
  udp_socket(udp_socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  udp_socket& operator=(udp_socket&&) = delete;
  ~udp_socket();

  int fd() const noexcept { return fd_; }
  void bind(const endpoint& local);
  /// The same, but says whether the port was free.
  bool try_bind(const endpoint& local);
  void connect(const endpoint& remote);
  endpoint local() const;
  /// Datagrams of one flow may come merged (UDP_GRO), each message with their size. False where the
  /// kernel has none.
  bool enable_gro();
  /// Every message tells how many datagrams the socket's full buffer has cost (SO_RXQ_OVFL).
  void enable_drop_count();

private:
  int fd_;
};

/// One message from the kernel: a datagram, or several equal-sized ones (the last may be shorter).
struct message {
  endpoint source;
  const std::uint8_t* bytes;
  std::size_t size;
  std::size_t segment; ///< size of each datagram; 0: the message is one datagram
};

/// Reads many messages with one system call.
/// Owns:   the memory that messages point into, until the next read
class batch_reader {
public:
  explicit batch_reader(std::size_t slots = 32);

  /// Reads what is there, at most one batch. Gives the number of messages: 0 when nothing waits, -1
  /// with errno on an error that is not "nothing there".
  int read(int fd);
  message at(int index) const noexcept;
  /// Datagrams that the kernel has dropped at the socket so far.
  std::uint32_t kernel_drops() const noexcept { return kernel_drops_; }

private:
  static constexpr std::size_t slot_size = 65536;
  static constexpr std::size_t control_size = 64;

  std::vector<std::uint8_t> bytes_;
  std::vector<std::uint8_t> control_;
  std::vector<endpoint> sources_;
  std::vector<iovec> iovecs_;
  std::vector<mmsghdr> headers_;
  std::vector<std::size_t> segments_;
  std::uint32_t kernel_drops_ = 0;
};

/// Calls `take(bytes, size)` for every datagram of a message; a zero-length message is one.
template <class Take> std::size_t for_each_datagram(const message& from, Take&& take) {
  if (from.segment == 0 || from.size <= from.segment) {
    take(from.bytes, from.size);
    return 1;
  }
  std::size_t count = 0;
  for (std::size_t at = 0; at < from.size; at += from.segment, ++count)
    take(from.bytes + at, std::min(from.segment, from.size - at));
  return count;
}

/// Says on stderr what could not be done and why (errno), and ends the program with 1.
[[noreturn]] void die(const std::string& what);

/// Seconds of CLOCK_MONOTONIC.
double now_seconds() noexcept;
/// Nanoseconds of CLOCK_MONOTONIC.
std::uint64_t now_nanoseconds() noexcept;
/// Waits until CLOCK_MONOTONIC reaches `at`, or until a signal comes.
void wait_until(double at) noexcept;

/// From now on SIGINT and SIGTERM only make `stop_requested` true. Also lowers the timer slack, so
/// that short waits are as short as asked.
void catch_stop_signals();
bool stop_requested() noexcept;

/// No wait is longer: a signal that comes just before the wait is noticed after it.
inline constexpr double longest_wait = 0.2;

} // namespace tonel::bench
