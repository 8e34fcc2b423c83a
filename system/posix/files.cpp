#include "system/posix/files.hpp"

#include "system/kernel.hpp"

#include <fcntl.h>

#include <array>

namespace tonel::sys {

result<std::string> read_file(const std::string& path) {
  auto& k = real_kernel();
  const descriptor fd{k, k.open(path.c_str(), O_RDONLY)};
  if (!fd) return unexpected{os_error{-fd.get(), "open", path}};
  std::string out;
  std::array<char, 4096> buffer{};
  for (;;) {
    const long n = k.read(fd.get(), buffer.data(), buffer.size());
    if (n < 0) return unexpected{os_error{static_cast<int>(-n), "read", path}};
    if (n == 0) return out;
    out.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

result<void> write_all(int fd, const std::string& text, const std::string& path) {
  for (std::size_t done = 0; done < text.size();) {
    const long n = real_kernel().write(fd, text.data() + done, text.size() - done);
    if (n <= 0) return unexpected{os_error{static_cast<int>(-n), "write", path}};
    done += static_cast<std::size_t>(n);
  }
  return {};
}

} // namespace tonel::sys
