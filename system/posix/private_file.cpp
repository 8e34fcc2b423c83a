#include "system/private_file.hpp"

#include "system/kernel.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

namespace tonel::sys {

namespace {

using clock = std::chrono::steady_clock;

// For whoever writes into a pipe.
constexpr auto patience = std::chrono::seconds{5};

os_error failed(int number, const char* operation, const std::string& path) {
  return {number, operation, path};
}

/// Waits until the descriptor can be read; false: not before the deadline.
bool wait_readable(int fd, clock::time_point deadline) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock::now());
    if (left.count() <= 0) return false;
    pollfd wanted{fd, POLLIN, 0};
    const int n = ::poll(&wanted, 1, static_cast<int>(left.count()));
    if (n > 0 || (n < 0 && errno != EINTR)) return true;
  }
}

result<std::string> read_open_file(int fd, const std::string& path, std::size_t most) {
  struct stat about {};
  if (::fstat(fd, &about) != 0) return unexpected{failed(errno, "stat", path)};
  if (S_ISDIR(about.st_mode)) return unexpected{failed(EISDIR, "read", path)};
  const bool pipe = S_ISFIFO(about.st_mode);
  const auto deadline = clock::now() + patience;
  std::string content;
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      if (!wait_readable(fd, deadline)) return unexpected{failed(ETIMEDOUT, "read", path)};
      continue;
    }
    if (n < 0) return unexpected{failed(errno, "read", path)};
    // Nobody has opened the pipe for writing.
    if (n == 0 && pipe && content.empty()) return unexpected{failed(ETIMEDOUT, "read", path)};
    if (n == 0) return content;
    content.append(buffer.data(), static_cast<std::size_t>(n));
    if (content.size() > most) return unexpected{failed(EFBIG, "read", path)};
  }
}

/// Non-blocking, since opening a pipe waits for a writer otherwise.
descriptor open_for_reading(const std::string& path) {
  return {real_kernel(), ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
}

} // namespace

result<std::string> read_named_file(const std::string& path, std::size_t most) {
  const auto fd = open_for_reading(path);
  if (!fd) return unexpected{failed(errno, "open", path)};
  return read_open_file(fd.get(), path, most);
}

result<std::string> read_private_file(const std::string& path, std::size_t most) {
  const auto fd = open_for_reading(path);
  if (!fd) return unexpected{failed(errno, "open", path)};
  // The open file is checked, so that nobody can replace it in between.
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0) return unexpected{failed(errno, "stat", path)};
  if (S_ISDIR(about.st_mode)) return unexpected{failed(EISDIR, "read", path)};
  if ((about.st_mode & (S_IWGRP | S_IRWXO)) != 0) return unexpected{failed(EPERM, "stat", path)};
  return read_open_file(fd.get(), path, most);
}

bool open_to_all(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 && (about.st_mode & S_IROTH) != 0;
}

} // namespace tonel::sys
