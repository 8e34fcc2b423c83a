#include "system/instance_state.hpp"

#include "system/kernel.hpp"
#include "system/posix/files.hpp"
#include "system/posix/host_parts.hpp"
#include "system/process.hpp"
#include "system/stream_socket.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <sstream>
#include <system_error>
#include <utility>

namespace tonel::sys {

namespace fs = std::filesystem;

namespace {

// flock(2) itself knows no deadline.
constexpr std::chrono::nanoseconds between_tries = std::chrono::milliseconds{10};

os_error failure(const char* operation, const std::string& path) {
  return {errno, operation, path};
}

std::vector<std::string> files_in(const std::string& folder, const char* extension) {
  std::vector<std::string> out;
  std::error_code failed;
  for (fs::directory_iterator at{folder, failed}, end; !failed && at != end; at.increment(failed))
    if (at->path().extension() == extension) out.push_back(at->path().string());
  return out;
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
    if (!r.held.empty()) out << "held " << r.held << '\n';
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
    } else if (kind == "held" && !out.empty()) {
      words >> out.back().held;
    }
  }
  return out;
}

instance_mark::~instance_mark() {
  // Before the lock is released, so that no other process finds an unlocked file.
  if (!path_.empty()) ::unlink(path_.c_str());
}

std::string instance_file::mark_path(const instance_record& record) const {
  return folder_ + '/' + record.table + '-' + std::to_string(record.pid) + '-' +
         std::to_string(record.started) + ".lock";
}

/// Opens or makes one of our files.
result<descriptor> instance_file::open(const std::string& path, int flags) const {
  // O_NOFOLLOW: in a service's folder its user could lead root elsewhere by a link.
  descriptor fd{real_kernel(),
                ::open(path.c_str(), flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!fd) return unexpected{failure("open", path)};
  struct stat owner {};
  // Only root can change the owner, and only root needs to.
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

std::vector<instance_record> instance_file::living() const {
  std::vector<instance_record> out;
  const auto here = network_namespace(), boot = boot_id();
  for (auto& record : parse_records(read_file(folder_ + "/rules").value_or("")))
    if (record.network == here && record.boot == boot && is_alive(record))
      out.push_back(std::move(record));
  return out;
}

void instance_file::sweep_marks() const {
  for (const auto& path : files_in(folder_, ".lock")) {
    if (path == folder_ + "/rules.lock") continue;
    const descriptor fd{real_kernel(), ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    // Marks are made under the lock that this runs under, and locked at once.
    if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
  }
}

void sweep_runtime_folder(const std::string& folder) {
  for (const auto& path : files_in(folder, ".sock"))
    remove_unserved(path);
  // Where no program has set rules, there are no marks, and no file to lock.
  if (::access((folder + "/rules.lock").c_str(), F_OK) != 0) return;
  instance_file file{folder};
  (void)file.update([&](std::vector<instance_record>&) { file.sweep_marks(); });
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
  // At a first start there is no file.
  records = parse_records(read_file(path).value_or(""));
  change(records);
  const auto file = open(temporary, O_WRONLY | O_TRUNC);
  if (!file) return unexpected{file.error()};
  if (auto done = write_all(file->get(), to_text(records), temporary); !done) return done;
  if (::rename(temporary.c_str(), path.c_str()) != 0) return unexpected{failure("rename", path)};
  return {};
}

result<descriptor> take_turn(const std::string& folder, protocol::duration patience) {
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST)
    return unexpected{failure("mkdir", folder)};
  // Not ".lock": such files are swept when nobody holds them.
  const auto path = folder + "/turn";
  auto fd = instance_file{folder}.open(path, O_RDWR);
  if (!fd) return fd;
  const auto until = monotonic_now() + patience;
  while (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return unexpected{failure("flock", path)};
    if (monotonic_now() >= until) return unexpected{os_error{ETIMEDOUT, "flock", path}};
    real_kernel().sleep(between_tries.count());
  }
  return fd;
}

std::string runtime_folder() {
  const char* given = ::getenv("RUNTIME_DIRECTORY");
  if (given == nullptr || *given == 0) return usual_runtime_folder();
  const std::string all{given}; // several are joined by colons
  return all.substr(0, all.find(':'));
}

} // namespace tonel::sys
