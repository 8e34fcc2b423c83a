#pragma once

#include "protocol/address.hpp"
#include "system/kernel.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tonel::sys {

/// A kernel in memory, with TUN devices, rtnetlink, UDP sockets, epoll and clocks as far as this
/// layer uses them. Each call can be made to fail.
/// Shape: calls have the names of os_error::operation: "ioctl TUNSETIFF", "netlink RTM_NEWADDR",
///        "setsockopt UDP_GRO"
class fake_kernel final : public kernel {
public:
  using octets = std::vector<std::uint8_t>;

  struct assigned_address {
    protocol::ip_address local, peer;
    unsigned prefix = 0;
  };
  struct link {
    int index = 0;
    std::uint32_t mtu = 1500;
    std::uint32_t txqueuelen = 500;
    bool up = false;
    bool carrier = false;
    bool persistent = false;
    bool link_local_off = false;
    std::vector<assigned_address> addresses;
    std::vector<protocol::ip_address>
        routes; ///< to these hosts; the kernel adds those of addresses
  };
  struct datagram {
    protocol::endpoint peer; ///< source or destination; unspecified: the connected peer
    protocol::ip_address local;
    std::uint32_t segment_size = 0; ///< 0: one datagram
    octets bytes;
    bool truncated = false;
    int error = 0; ///< set: receiving fails with this error instead
  };

  /// Makes `times` calls of this name fail with `error`, after `after` that do not.
  void fail(const std::string& call, int error, unsigned times = 1, unsigned after = 0);
  /// The number of calls of this name so far.
  unsigned calls(const std::string& call) const;
  std::size_t open_descriptors() const noexcept { return open_.size(); }

  std::map<std::string, link> links;
  bool renames_up = true; ///< false: only an interface that is down, as before Linux 6.2
  /// Opens a device as another process would before handing it over; gives the descriptor.
  int hand_over(const std::string& name, short flags);
  /// Another program deletes the device; its open descriptors belong to none from then on.
  void delete_link(const std::string& name);
  std::deque<octets> tun_in; ///< packets to read, with a vnet header if the device has one
  std::vector<octets> tun_out;
  short tun_flags = 0; ///< of the last TUNSETIFF or hand_over()
  /// Gives the error with which to refuse a packet, or 0.
  std::function<int(const octets&)> refuse_packet;

  std::deque<datagram> udp_in;
  std::vector<datagram> udp_out;
  std::function<int(const datagram&)> refuse_datagram;
  std::map<std::string, int> options; ///< last value of each socket option

  struct epoll_entry {
    std::uint64_t token;
    std::uint32_t flags;
  };
  std::deque<std::vector<epoll_entry>> ready; ///< the results of the next calls of epoll_wait
  std::int64_t last_timeout = 0;
  std::map<int, epoll_entry> watched;
  std::int64_t boottime = 1'000'000'000;
  std::int64_t monotonic = 1'000'000'000;

  int open(const char* path, int flags) noexcept override;
  int close(int fd) noexcept override;
  int ioctl(int fd, unsigned long request, void* argument) noexcept override;
  long read(int fd, void* buffer, std::size_t size) noexcept override;
  long write(int fd, const void* buffer, std::size_t size) noexcept override;
  long readv(int fd, const iovec* pieces, int count) noexcept override;
  long writev(int fd, const iovec* pieces, int count) noexcept override;
  int socket(int domain, int type, int protocol) noexcept override;
  int bind(int fd, const sockaddr* address, unsigned length) noexcept override;
  int connect(int fd, const sockaddr* address, unsigned length) noexcept override;
  int getsockname(int fd, sockaddr* address, unsigned* length) noexcept override;
  int setsockopt(int fd, int level, int name, const void* value, unsigned length) noexcept override;
  long send(int fd, const void* buffer, std::size_t size, int flags) noexcept override;
  long recv(int fd, void* buffer, std::size_t size, int flags) noexcept override;
  int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept override;
  int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept override;
  int epoll_create() noexcept override;
  int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept override;
  int epoll_wait(int epoll, epoll_event* events, int capacity,
                 std::int64_t timeout) noexcept override;
  int eventfd() noexcept override;
  int clock_change_fd() noexcept override;
  std::int64_t clock(int which) noexcept override;
  void sleep(std::int64_t nanoseconds) noexcept override;

private:
  struct planned_failure {
    int error;
    unsigned times;
    unsigned after;
  };
  /// Counts a call; gives the negative error that it has to fail with, or 0.
  int enter(const std::string& call);
  int make(const std::string& what);
  void answer_netlink(const octets& request);
  void answer_routes(const octets& request);
  int change_link(const std::string& name, const octets& request);
  int receive_one(mmsghdr& m);
  int send_one(mmsghdr& m);

  std::map<std::string, std::deque<planned_failure>> failures_;
  std::map<std::string, unsigned> calls_;
  std::map<int, std::string> open_; ///< descriptor -> its kind
  std::deque<octets> netlink_answers_;
  int last_fd_ = 2;
  int last_index_ = 6;
};

} // namespace tonel::sys
