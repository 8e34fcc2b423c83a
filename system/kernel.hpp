#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>

struct iovec;
struct mmsghdr;
struct msghdr;
struct sockaddr;
struct epoll_event;

namespace tonel::sys {

namespace darwin {
struct queue_event;
}

/// The system calls of this layer, so that tests can make each of them fail.
/// Shape:  like the calls of the same names, except that an error is a negative errno as result;
///         EINTR is retried inside; a call that only another system has gives -ENOSYS
/// Thread: any
class kernel {
public:
  virtual ~kernel() = default;

  virtual int open(const char* path, int flags) noexcept = 0;
  virtual int close(int fd) noexcept = 0;
  virtual int ioctl(int fd, unsigned long request, void* argument) noexcept = 0;
  virtual long read(int fd, void* buffer, std::size_t size) noexcept = 0;
  virtual long write(int fd, const void* buffer, std::size_t size) noexcept = 0;
  virtual long readv(int fd, const iovec* pieces, int count) noexcept = 0;
  virtual long writev(int fd, const iovec* pieces, int count) noexcept = 0;

  virtual int socket(int domain, int type, int protocol) noexcept = 0;
  virtual int bind(int fd, const sockaddr* address, unsigned length) noexcept = 0;
  virtual int connect(int fd, const sockaddr* address, unsigned length) noexcept = 0;
  virtual int getsockname(int fd, sockaddr* address, unsigned* length) noexcept = 0;
  virtual int getsockopt(int /*fd*/, int /*level*/, int /*name*/, void* /*value*/,
                         unsigned* /*length*/) noexcept {
    return -ENOSYS;
  }
  virtual int setsockopt(int fd, int level, int name, const void* value,
                         unsigned length) noexcept = 0;
  virtual long send(int fd, const void* buffer, std::size_t size, int flags) noexcept = 0;
  virtual long recv(int fd, void* buffer, std::size_t size, int flags) noexcept = 0;
  virtual int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept = 0;
  virtual int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept = 0;

  // Linux
  virtual int epoll_create() noexcept { return -ENOSYS; }
  virtual int epoll_ctl(int /*epoll*/, int /*operation*/, int /*fd*/,
                        epoll_event* /*event*/) noexcept {
    return -ENOSYS;
  }
  /// timeout: nanoseconds, negative: none; rounded up to milliseconds without epoll_pwait2 (before
  /// Linux 5.11)
  virtual int epoll_wait(int /*epoll*/, epoll_event* /*events*/, int /*capacity*/,
                         std::int64_t /*timeout*/) noexcept {
    return -ENOSYS;
  }
  virtual int eventfd() noexcept { return -ENOSYS; }
  /// A timerfd that only becomes readable when the wall clock is set or the machine wakes from
  /// suspend (Linux 5.13 and later).
  virtual int clock_change_fd() noexcept { return -ENOSYS; }

  // macOS
  virtual int kqueue() noexcept { return -ENOSYS; }
  /// Makes the changes, then waits for events. timeout: as for epoll_wait()
  virtual int kevent(int /*queue*/, const darwin::queue_event* /*changes*/, int /*count*/,
                     darwin::queue_event* /*events*/, int /*capacity*/,
                     std::int64_t /*timeout*/) noexcept {
    return -ENOSYS;
  }

  /// The time of CLOCK_BOOTTIME or CLOCK_MONOTONIC (macOS: its equivalents), nanoseconds.
  virtual std::int64_t clock(int which) noexcept = 0;
  /// Sleeps; only a signal ends it early.
  virtual void sleep(std::int64_t nanoseconds) noexcept = 0;
};

/// The kernel of this machine.
kernel& real_kernel() noexcept;

/// An open file descriptor.
/// Owns: the descriptor; closes it by its kernel
class descriptor {
public:
  descriptor() noexcept = default;
  descriptor(kernel& k, int fd) noexcept : kernel_(&k), fd_(fd) {}
  descriptor(descriptor&& other) noexcept : kernel_(other.kernel_), fd_(other.release()) {}
  descriptor& operator=(descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      kernel_ = other.kernel_;
      fd_ = other.release();
    }
    return *this;
  }
  ~descriptor() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset() noexcept {
    if (fd_ >= 0) kernel_->close(fd_);
    fd_ = -1;
  }

private:
  kernel* kernel_ = nullptr;
  int fd_ = -1;
};

} // namespace tonel::sys
