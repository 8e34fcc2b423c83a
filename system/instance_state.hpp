#pragma once

#include "system/kernel.hpp"
#include "system/os_error.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tonel::sys {

/// A sysctl that an instance has changed.
struct sysctl_lease {
  std::string name;   ///< "net.ipv4.ip_forward"
  std::string before; ///< what it was
  std::string set;    ///< what the instance made of it
};

/// What an instance has changed on the host, and which process it is.
/// Shape:  a process is told from a later one of the same number by when it started (ticks since boot)
///         and by the boot; what it changed lies in its network namespace
struct instance_record {
  std::string table;
  std::string backend; ///< empty: has no rules yet
  int pid = 0;
  std::uint64_t started = 0;
  std::string boot;
  std::string network;
  std::vector<sysctl_lease> leases;
  std::string held; ///< rule_backend::held(): one word; empty: nothing
};

/// The record of this process.
instance_record own_record(const std::string& table);

/// A line a record, a line a lease. Lines that are not understood are left out.
std::string to_text(const std::vector<instance_record>& records);
std::vector<instance_record> parse_records(const std::string& text);

/// Says that an instance lives, by the lock (flock) of a file: the kernel takes it away with the
/// process, whatever ends that.
/// Owns: the file; removes it
class instance_mark {
public:
  instance_mark(instance_mark&& other) noexcept
      : path_(std::exchange(other.path_, {})), fd_(std::move(other.fd_)) {}
  instance_mark& operator=(instance_mark&&) = delete;
  ~instance_mark();

private:
  friend class instance_file;
  instance_mark(std::string path, descriptor fd) noexcept
      : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  descriptor fd_;
};

/// The file in which the instances of this host write down what they have changed, so that what a
/// killed one has left can be undone by the next.
/// Shape:  its files belong to the owner of the folder: a service's user and root, who starts a program
///         by hand, must both get at them, and nobody else may hold their locks
/// Owns:   nothing between calls; a lock (flock) while one is under way
class instance_file {
public:
  /// The folder is made when it is needed.
  explicit instance_file(std::string folder) : folder_{std::move(folder)} {}

  /// Calls change with all records, under the lock, and keeps what it makes of them.
  /// Errors: those of mkdir, open and rename; change has been called nevertheless, with no records
  result<void> update(const std::function<void(std::vector<instance_record>&)>& change);

  /// Marks the record's process, which must be this one, as alive. The folder must be there.
  /// Errors: those of open and flock
  result<instance_mark> mark(const instance_record& own) const;

  /// Whether the record's process still runs. /proc would not tell: a service's sandbox hides the
  /// processes of other users. To be asked under the lock of update().
  bool is_alive(const instance_record& record) const;

  /// Removes what a dead process' mark has left.
  void forget(const instance_record& dead) const;

private:
  std::string mark_path(const instance_record& record) const;
  result<descriptor> open(const std::string& path, int flags) const;
  std::string folder_;
};

/// Where services keep what shall not outlast a boot: /run/tonel; macOS: /var/run/tonel.
const char* usual_runtime_folder() noexcept;

/// $RUNTIME_DIRECTORY, as systemd sets it, else the usual one.
std::string runtime_folder();

/// Reads and writes /proc/sys. A write is not an error where the value is the wanted one already.
/// Errors: those of the file; EACCES and EROFS: the service may not
result<std::string> read_sysctl(const std::string& name);
result<void> write_sysctl(const std::string& name, const std::string& value);

} // namespace tonel::sys
