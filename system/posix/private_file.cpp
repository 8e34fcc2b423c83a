#include "system/private_file.hpp"

#include "system/kernel.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace tonel::sys {

result<std::string> read_private_file(const std::string& path, std::size_t most) {
  const auto failed = [&](int number, const char* operation) {
    return unexpected{os_error{number, operation, path}};
  };
  const descriptor fd{real_kernel(), ::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (fd.get() < 0) return failed(errno, "open");
  // fstat of the open file, so that it cannot be exchanged in between.
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0) return failed(errno, "stat");
  if (S_ISDIR(about.st_mode)) return failed(EISDIR, "read");
  if ((about.st_mode & (S_IWGRP | S_IRWXO)) != 0) return failed(EPERM, "stat");
  std::string content(most + 1, '\0');
  std::size_t size = 0;
  while (size < content.size()) {
    const auto n = ::read(fd.get(), content.data() + size, content.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(errno, "read");
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size > most) return failed(EFBIG, "read");
  content.resize(size);
  return content;
}

bool open_to_all(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 && (about.st_mode & S_IROTH) != 0;
}

} // namespace tonel::sys
