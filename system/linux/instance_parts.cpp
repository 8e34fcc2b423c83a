#include "system/instance_state.hpp"
#include "system/kernel.hpp"
#include "system/posix/files.hpp"
#include "system/posix/host_parts.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <sstream>
#include <utility>

namespace tonel::sys {

namespace {

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
    text.pop_back();
  return text;
}

std::string path_of_sysctl(const std::string& name) {
  // A slash in a sysctl's name stands for a dot in an interface's name.
  std::string path = name;
  for (auto& c : path)
    c = c == '.' ? '/' : c == '/' ? '.' : c;
  return "/proc/sys/" + path;
}

} // namespace

const char* usual_runtime_folder() noexcept { return "/run/tonel"; }

/// The start time of this process: the 22nd field of /proc/self/stat. The second field is a name in
/// parentheses, which may hold any character.
/// Units: clock ticks since the boot
std::uint64_t own_start() {
  const auto stat = read_file("/proc/self/stat").value_or("");
  const auto name_end = stat.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields{stat.substr(name_end + 1)};
  std::string skipped;
  for (int field = 3; field < 22; ++field)
    fields >> skipped;
  std::uint64_t started = 0;
  fields >> started;
  return started;
}

std::string boot_id() {
  return trimmed(read_file("/proc/sys/kernel/random/boot_id").value_or("unknown"));
}

/// Names this network namespace by its cookie (Linux 5.14), else by inode, whose numbers may recur.
std::string network_namespace() {
  auto& k = real_kernel();
  const descriptor socket{k, k.socket(AF_UNIX, SOCK_DGRAM, 0)};
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (socket && ::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0)
    return std::to_string(cookie);
  struct stat info {};
  if (::stat("/proc/self/ns/net", &info) != 0) return "unknown";
  return std::to_string(info.st_dev) + ':' + std::to_string(info.st_ino);
}

result<std::string> read_sysctl(const std::string& name) {
  auto text = read_file(path_of_sysctl(name));
  if (!text) return text;
  return trimmed(std::move(*text));
}

result<void> write_sysctl(const std::string& name, const std::string& value) {
  if (const auto now = read_sysctl(name); now && *now == value) return {};
  const auto path = path_of_sysctl(name);
  auto& k = real_kernel();
  const descriptor fd{k, k.open(path.c_str(), O_WRONLY)};
  if (!fd) return unexpected{os_error{-fd.get(), "open", path}};
  return write_all(fd.get(), value + "\n", path);
}

} // namespace tonel::sys
