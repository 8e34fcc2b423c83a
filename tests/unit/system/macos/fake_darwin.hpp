#pragma once

#include "system/kernel.hpp"
#include "system/macos/abi.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace tonel::sys {

/// As much of a Darwin kernel as a utun device, routes and a kqueue need, in memory: what it is asked is
/// kept, what it answers is set beforehand.
class fake_darwin final : public kernel {
public:
  using octets = std::vector<std::uint8_t>;

  struct request {
    unsigned long number;
    octets argument;
    /// The argument as what it is.
    template <class Struct> Struct as() const {
      Struct out;
      std::memcpy(&out, argument.data(), sizeof out);
      return out;
    }
  };

  std::map<std::string, int> errors; ///< call -> errno, for each time
  std::map<unsigned long, int> ioctl_errors;
  std::vector<request> ioctls;
  std::vector<darwin::sockaddr_ctl> connected;
  std::set<int> open_descriptors;
  std::string utun = "utun7";
  std::uint16_t flags = 0; ///< of every interface

  std::deque<octets> incoming; ///< each readv or read takes one
  std::vector<octets> outgoing;

  std::vector<std::vector<darwin::queue_event>> changes; ///< of each kevent call
  std::deque<std::vector<darwin::queue_event>> events;   ///< what each waiting call gives
  std::vector<std::int64_t> timeouts;
  std::int64_t boot = 1'000'000'000, awake = 1'000'000'000;

  std::vector<request> ioctls_of(unsigned long number) const {
    std::vector<request> out;
    std::copy_if(ioctls.begin(), ioctls.end(), std::back_inserter(out),
                 [&](const request& r) { return r.number == number; });
    return out;
  }

  int open(const char*, int) noexcept override { return -ENOENT; }
  int close(int fd) noexcept override { return open_descriptors.erase(fd) == 1 ? 0 : -EBADF; }
  int ioctl(int, unsigned long number, void* argument) noexcept override {
    // The size is part of the number, as is whether there is an argument.
    const auto size = (number >> 16) & 0x1fff;
    const auto* bytes = static_cast<const std::uint8_t*>(argument);
    ioctls.push_back({number, bytes == nullptr ? octets{} : octets(bytes, bytes + size)});
    if (const auto e = ioctl_errors.find(number); e != ioctl_errors.end()) return -e->second;
    if (number == darwin::ctliocginfo) static_cast<darwin::ctl_info*>(argument)->id = 42;
    if (number == darwin::siocgifflags) static_cast<darwin::ifreq*>(argument)->value = flags;
    return 0;
  }
  long read(int, void* buffer, std::size_t size) noexcept override {
    const iovec all{buffer, size};
    return readv(0, &all, 1);
  }
  long write(int, const void* buffer, std::size_t size) noexcept override {
    const auto* bytes = static_cast<const std::uint8_t*>(buffer);
    outgoing.emplace_back(bytes, bytes + size);
    return result_of("write", static_cast<long>(size));
  }
  long readv(int, const iovec* pieces, int count) noexcept override {
    if (incoming.empty()) return result_of("readv", -EAGAIN);
    const auto next = incoming.front();
    incoming.pop_front();
    std::size_t done = 0;
    for (int i = 0; i < count; ++i) {
      const auto n = std::min(pieces[i].iov_len, next.size() - done);
      if (n != 0) std::memcpy(pieces[i].iov_base, next.data() + done, n);
      done += n;
    }
    return static_cast<long>(done);
  }
  long writev(int, const iovec* pieces, int count) noexcept override {
    octets all;
    for (int i = 0; i < count; ++i) {
      const auto* bytes = static_cast<const std::uint8_t*>(pieces[i].iov_base);
      all.insert(all.end(), bytes, bytes + pieces[i].iov_len);
    }
    outgoing.push_back(all);
    return result_of("writev", static_cast<long>(all.size()));
  }
  int socket(int domain, int, int) noexcept override {
    if (const auto e = errors.find("socket " + std::to_string(domain)); e != errors.end())
      return -e->second;
    open_descriptors.insert(++last_);
    return last_;
  }
  int bind(int, const sockaddr*, unsigned) noexcept override { return -ENOSYS; }
  int connect(int, const sockaddr* address, unsigned length) noexcept override {
    darwin::sockaddr_ctl a;
    if (length != sizeof a) return -EINVAL;
    std::memcpy(&a, static_cast<const void*>(address), sizeof a);
    connected.push_back(a);
    return static_cast<int>(result_of("connect", 0));
  }
  int getsockname(int, sockaddr*, unsigned*) noexcept override { return -ENOSYS; }
  int getsockopt(int, int level, int name, void* value, unsigned* length) noexcept override {
    if (level != darwin::sysproto_control || name != darwin::utun_opt_ifname) return -ENOPROTOOPT;
    *length = static_cast<unsigned>(utun.copy(static_cast<char*>(value), *length - 1));
    static_cast<char*>(value)[*length] = '\0';
    return static_cast<int>(result_of("getsockopt", 0));
  }
  int setsockopt(int, int, int, const void*, unsigned) noexcept override { return 0; }
  long send(int, const void*, std::size_t, int) noexcept override { return -ENOSYS; }
  long recv(int, void*, std::size_t, int) noexcept override { return -ENOSYS; }
  int recvmmsg(int, mmsghdr*, unsigned, int) noexcept override { return -ENOSYS; }
  int sendmmsg(int, mmsghdr*, unsigned, int) noexcept override { return -ENOSYS; }
  int kqueue() noexcept override {
    if (const auto e = errors.find("kqueue"); e != errors.end()) return -e->second;
    open_descriptors.insert(++last_);
    return last_;
  }
  int kevent(int, const darwin::queue_event* made, int count, darwin::queue_event* out,
             int capacity, std::int64_t timeout) noexcept override {
    changes.emplace_back(made, made + count);
    if (const auto e = errors.find("kevent"); e != errors.end()) return -e->second;
    if (capacity == 0) return 0;
    timeouts.push_back(timeout);
    if (events.empty()) {
      // Nothing comes: the time passes.
      if (timeout > 0) boot += timeout, awake += timeout;
      return 0;
    }
    const auto next = events.front();
    events.pop_front();
    const auto n = std::min(next.size(), static_cast<std::size_t>(capacity));
    std::copy_n(next.begin(), n, out);
    return static_cast<int>(n);
  }
  std::int64_t clock(int which) noexcept override {
    return which == darwin::boot_clock ? boot : which == darwin::awake_clock ? awake : 0;
  }
  void sleep(std::int64_t nanoseconds) noexcept override { boot += nanoseconds; }

private:
  long result_of(const std::string& call, long good) const {
    const auto e = errors.find(call);
    return e == errors.end() ? good : -e->second;
  }
  int last_ = 2;
};

} // namespace tonel::sys
