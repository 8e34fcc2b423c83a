#include "system/instance_state.hpp"

#include "system/kernel.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <sstream>
#include <utility>

namespace tonel::sys {

namespace {

os_error failure(const char* operation, const std::string& path) {
  return {errno, operation, path};
}

/// Small files of /proc and ours.
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

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
    text.pop_back();
  return text;
}

/// When this process started, in ticks since the boot: the 22nd field of /proc/self/stat; the second is
/// a name, in parentheses, with anything in it.
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

/// Inode numbers are given again; the cookie (Linux 5.14) is not.
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

} // namespace

instance_record own_record(const std::string& table) {
  instance_record out;
  out.table = table;
  out.pid = ::getpid();
  out.started = own_start();
  out.boot = boot_id();
  out.network = network_namespace();
  return out;
}

std::string to_text(const std::vector<instance_record>& records) {
  std::ostringstream out;
  for (const auto& r : records) {
    out << "instance " << r.table << ' ' << (r.backend.empty() ? "-" : r.backend) << ' ' << r.pid
        << ' ' << r.started << ' ' << r.boot << ' ' << r.network << '\n';
    for (const auto& l : r.leases)
      out << "sysctl " << l.name << ' ' << l.before << ' ' << l.set << '\n';
  }
  return out.str();
}

std::vector<instance_record> parse_records(const std::string& text) {
  std::vector<instance_record> out;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words{line};
    std::string kind;
    words >> kind;
    if (kind == "instance") {
      instance_record r;
      if (!(words >> r.table >> r.backend >> r.pid >> r.started >> r.boot >> r.network)) continue;
      if (r.backend == "-") r.backend.clear();
      out.push_back(std::move(r));
    } else if (kind == "sysctl" && !out.empty()) {
      sysctl_lease l;
      if (words >> l.name >> l.before >> l.set) out.back().leases.push_back(std::move(l));
    }
  }
  return out;
}

instance_mark::~instance_mark() {
  // While the lock still is ours: nobody is to find a file that says nothing.
  if (!path_.empty()) ::unlink(path_.c_str());
}

std::string instance_file::mark_path(const instance_record& record) const {
  return folder_ + '/' + record.table + '-' + std::to_string(record.pid) + '-' +
         std::to_string(record.started) + ".lock";
}

/// Opens or makes one of our files.
result<descriptor> instance_file::open(const std::string& path, int flags) const {
  // No link: in a service's folder root must not write where that user could send it.
  descriptor fd{real_kernel(),
                ::open(path.c_str(), flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!fd) return unexpected{failure("open", path)};
  struct stat owner {};
  // Root alone can, and it alone needs to.
  if (::stat(folder_.c_str(), &owner) == 0) [[maybe_unused]]
    const int given = ::fchown(fd.get(), owner.st_uid, owner.st_gid);
  return fd;
}

result<instance_mark> instance_file::mark(const instance_record& own) const {
  const auto path = mark_path(own);
  auto fd = open(path, O_RDWR);
  if (!fd) return unexpected{fd.error()};
  if (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) return unexpected{failure("flock", path)};
  return instance_mark{path, std::move(*fd)};
}

bool instance_file::is_alive(const instance_record& record) const {
  const auto path = mark_path(record);
  const descriptor fd{real_kernel(), ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!fd) return errno != ENOENT;
  return ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0;
}

void instance_file::forget(const instance_record& dead) const { ::unlink(mark_path(dead).c_str()); }

result<void>
instance_file::update(const std::function<void(std::vector<instance_record>&)>& change) {
  const auto path = folder_ + "/rules", temporary = path + ".new", lock_path = path + ".lock";
  std::vector<instance_record> records;
  const auto without = [&](os_error e) -> result<void> {
    change(records);
    return unexpected{std::move(e)};
  };
  if (::mkdir(folder_.c_str(), 0755) != 0 && errno != EEXIST)
    return without(failure("mkdir", folder_));
  const auto lock = open(lock_path, O_RDWR);
  if (!lock) return without(lock.error());
  while (::flock(lock->get(), LOCK_EX) != 0)
    if (errno != EINTR) return without(failure("flock", lock_path));
  // None yet is what a first start finds.
  records = parse_records(read_file(path).value_or(""));
  change(records);
  const auto file = open(temporary, O_WRONLY | O_TRUNC);
  if (!file) return unexpected{file.error()};
  if (auto done = write_all(file->get(), to_text(records), temporary); !done) return done;
  if (::rename(temporary.c_str(), path.c_str()) != 0) return unexpected{failure("rename", path)};
  return {};
}

std::string runtime_folder() {
  const char* given = ::getenv("RUNTIME_DIRECTORY");
  if (given == nullptr || *given == 0) return "/run/tonel";
  const std::string all{given}; // several are joined by colons
  return all.substr(0, all.find(':'));
}

namespace {

std::string path_of_sysctl(const std::string& name) {
  // Slashes in a name stand for the dots that an interface may have.
  std::string path = name;
  for (auto& c : path)
    c = c == '.' ? '/' : c == '/' ? '.' : c;
  return "/proc/sys/" + path;
}

} // namespace

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
