#include "system/state_directory.hpp"

#include "system/process.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace tonel::sys {

namespace {

constexpr mode_t writable_by_others = S_IWGRP | S_IWOTH;
constexpr mode_t open_to_others = S_IRWXG | S_IRWXO;

unexpected<os_error> failed(const char* operation, const std::string& path) {
  return unexpected{os_error{errno, operation, path}};
}

descriptor open_at(int folder, const std::string& name, int flags) {
  return {real_kernel(), ::openat(folder, name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, 0600)};
}

bool write_all(int fd, const std::string& content) {
  std::size_t done = 0;
  while (done < content.size()) {
    const auto n = ::write(fd, content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      if (n == 0) errno = ENOSPC;
      return false;
    }
    done += static_cast<std::size_t>(n);
  }
  return true;
}

} // namespace

result<state_directory> state_directory::open(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return failed("mkdir", path);
  descriptor folder{real_kernel(), ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder) return failed("open", path);
  struct stat is {};
  if (::fstat(folder.get(), &is) != 0) return failed("fstat", path);
  if (is.st_uid != user_id() || (is.st_mode & writable_by_others) != 0)
    return unexpected{os_error{EPERM, "open", path}};
  if (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) return failed("flock", path);
  return state_directory{std::move(folder), path};
}

result<std::optional<std::string>> state_directory::read(const std::string& name,
                                                         std::size_t most) const {
  const auto whole = path_ + '/' + name;
  // O_NONBLOCK: a FIFO must not hold the start up.
  const auto fd = open_at(folder_.get(), name, O_RDONLY | O_NONBLOCK);
  if (!fd && errno == ENOENT) return std::optional<std::string>{};
  if (!fd) return failed("open", whole);
  struct stat is {};
  if (::fstat(fd.get(), &is) != 0) return failed("fstat", whole);
  if (!S_ISREG(is.st_mode)) return unexpected{os_error{EINVAL, "open", whole}};
  if (is.st_uid != user_id() || (is.st_mode & open_to_others) != 0)
    return unexpected{os_error{EPERM, "open", whole}};
  std::string out;
  std::array<char, 16'384> part{};
  for (;;) {
    const auto n = ::read(fd.get(), part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("read", whole);
    if (n == 0) return std::optional{std::move(out)};
    out.append(part.data(), static_cast<std::size_t>(n));
    if (out.size() > most) return unexpected{os_error{EFBIG, "read", whole}};
  }
}

result<void> state_directory::write(const std::string& name, const std::string& content) const {
  const auto whole = path_ + '/' + name, fresh = name + ".new";
  // Of a program that was killed; whatever it is, it is not followed.
  ::unlinkat(folder_.get(), fresh.c_str(), 0);
  auto fd = open_at(folder_.get(), fresh, O_WRONLY | O_CREAT | O_EXCL);
  if (!fd) return failed("open", path_ + '/' + fresh);
  // So that a power cut leaves the file before, or this one as a whole.
  const bool there = write_all(fd.get(), content) && ::fsync(fd.get()) == 0;
  const auto error = errno;
  fd.reset();
  if (there && ::renameat(folder_.get(), fresh.c_str(), folder_.get(), name.c_str()) == 0)
    return {};
  const os_error why{there ? errno : error, there ? "rename" : "write", whole};
  ::unlinkat(folder_.get(), fresh.c_str(), 0);
  return unexpected{why};
}

std::string given_state_directory() {
  const char* given = ::getenv("STATE_DIRECTORY");
  if (given == nullptr) return {};
  const std::string all{given}; // several are joined by colons
  return all.substr(0, all.find(':'));
}

} // namespace tonel::sys
