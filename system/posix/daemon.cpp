#include "system/daemon.hpp"

#include "system/posix/platform.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>

namespace tonel::sys {

namespace {

os_error last_error(const char* operation, std::string detail = {}) {
  return {errno, operation, std::move(detail)};
}

/// Waits for the code from the new process, and exits with it.
[[noreturn]] void await_daemon(int line, pid_t child) {
  std::uint8_t code = 0;
  ssize_t n;
  do {
    n = ::read(line, &code, 1);
  } while (n < 0 && errno == EINTR);
  // The intermediate process ends at once; waiting for it leaves no zombie.
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  // No code: the new process has ended, and has told why on stderr.
  ::_exit(n == 1 ? code : 1);
}

result<descriptor> open_pid_file(const std::string& path, int flags) {
  descriptor fd{
      real_kernel(),
      ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0644)};
  if (!fd) return unexpected{last_error("open", path)};
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0) return unexpected{last_error("stat", path)};
  if (!S_ISREG(about.st_mode)) return unexpected{os_error{EINVAL, "open", path}};
  return fd;
}

bool is_at(int fd, const std::string& path) {
  struct stat open {
  }, there{};
  return ::fstat(fd, &open) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         open.st_dev == there.st_dev && open.st_ino == there.st_ino;
}

} // namespace

void make_standard_descriptors() noexcept {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) ::open("/dev/null", O_RDWR); // takes the lowest
}

void keep_others_from_writing() noexcept {
  ::umask(::umask(S_IWGRP | S_IWOTH) | S_IWGRP | S_IWOTH);
}

result<daemon_parent> daemon_parent::leave() {
  int ends[2];
  // Not a pipe: a write without a reader would end this process by a signal.
  if (make_socket_pair(ends) != 0) return unexpected{last_error("socketpair")};
  descriptor in{real_kernel(), ends[0]}, out{real_kernel(), ends[1]};
  const auto child = ::fork();
  if (child < 0) return unexpected{last_error("fork")};
  if (child > 0) {
    out.reset(); // otherwise the new process' end would not be noticed
    await_daemon(in.get(), child);
  }
  in.reset();
  if (::setsid() < 0) return unexpected{last_error("setsid")};
  // A second fork: a session leader can get a terminal by opening one.
  const auto grandchild = ::fork();
  if (grandchild < 0) return unexpected{last_error("fork")};
  if (grandchild > 0) ::_exit(0);
  const descriptor null{real_kernel(), ::open("/dev/null", O_RDWR | O_CLOEXEC)};
  if (!null) return unexpected{last_error("open", "/dev/null")};
  ::dup2(null.get(), STDIN_FILENO);
  ::dup2(null.get(), STDOUT_FILENO);
  ::umask(027);
  // Keeps no mount busy; "/" always exists.
  if (::chdir("/") != 0) return unexpected{last_error("chdir", "/")};
  return daemon_parent{std::move(out)};
}

void daemon_parent::ready() noexcept {
  const descriptor null{real_kernel(), ::open("/dev/null", O_RDWR | O_CLOEXEC)};
  if (null) ::dup2(null.get(), STDERR_FILENO);
  const std::uint8_t code = 0;
  // If no process waits any more, the failure does not matter.
  if (line_) real_kernel().send(line_.get(), &code, 1, send_quietly);
  line_.reset();
}

pid_file::pid_file(std::string path, descriptor fd) noexcept
    : path_(std::move(path)), fd_(std::move(fd)) {}

pid_file::pid_file(pid_file&& other) noexcept
    : path_(std::exchange(other.path_, {})), fd_(std::move(other.fd_)) {}

pid_file::~pid_file() {
  // Before the lock is released, so that a successor's file is not removed.
  if (!path_.empty()) ::unlink(path_.c_str());
}

result<pid_file> pid_file::make(const std::string& path) {
  for (;;) {
    // The lock holds off other programs that start with this file.
    auto before = open_pid_file(path, 0);
    if (!before) return unexpected{before.error()};
    if (::flock(before->get(), LOCK_EX | LOCK_NB) != 0)
      return unexpected{last_error("flock", path)};
    // Another file may have been renamed to the path meanwhile.
    if (!is_at(before->get(), path)) continue;
    // Readers find all of the number, or what was there before.
    const auto temporary = path + ".new";
    ::unlink(temporary.c_str()); // of a process that was killed
    auto fd = open_pid_file(temporary, O_EXCL);
    if (!fd) return unexpected{fd.error()};
    const auto text = std::to_string(::getpid()) + "\n";
    if (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0 ||
        ::write(fd->get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::rename(temporary.c_str(), path.c_str()) != 0) {
      const auto failed = last_error("write", path);
      ::unlink(temporary.c_str());
      return unexpected{failed};
    }
    return pid_file{path, std::move(*fd)};
  }
}

result<void> hang_up(int process) noexcept {
  if (::kill(process, SIGHUP) == 0) return {};
  return unexpected{last_error("kill", std::to_string(process))};
}

std::string absolute_path(const std::string& path) {
  std::error_code failed;
  auto whole = std::filesystem::absolute(path, failed);
  return failed ? path : whole.string();
}

} // namespace tonel::sys
