#pragma once

#include "protocol/time.hpp"
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
  std::string before; ///< the value before
  std::string set;    ///< the value that the instance has set
};

/// The changes that an instance has made on the host, and its process.
/// Shape:  pid, start time (clock ticks since the boot) and boot id name the process; the changes
///         are in its network namespace
struct instance_record {
  std::string table;
  std::string backend; ///< empty: no rules so far
  int pid = 0;
  std::uint64_t started = 0;
  std::string boot;
  std::string network;
  std::vector<sysctl_lease> leases;
  std::string held; ///< rule_backend::held()
};

/// The record of this process.
instance_record own_record(const std::string& table);

/// Records as text: a line for each record and each lease. Unknown lines are skipped by parsing.
std::string to_text(const std::vector<instance_record>& records);
std::vector<instance_record> parse_records(const std::string& text);

/// Shows that an instance is alive, by the lock (flock) of a file, which the kernel releases when
/// the process ends in any way.
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

/// The file in which the instances of a host record their changes, so that the next instance can
/// undo those of a killed one.
/// Shape:  the files belong to the owner of the folder: both a service's user and root, who starts
///         a program by hand, must be able to open them, and nobody else may hold their locks
/// Owns:   nothing between calls; a lock (flock) during a call
class instance_file {
public:
  /// folder: made when needed
  explicit instance_file(std::string folder) : folder_{std::move(folder)} {}

  /// Calls `change` with all records, under the lock, and writes the result.
  /// Errors: those of mkdir, open and rename; `change` has been called all the same, without
  ///         records
  result<void> update(const std::function<void(std::vector<instance_record>&)>& change);

  /// Marks this process, whose record is `own`, as alive. The folder must exist.
  /// Errors: those of open and flock
  result<instance_mark> mark(const instance_record& own) const;

  /// Whether the record's process still runs. /proc cannot tell, since a service's sandbox hides
  /// other users' processes. Call it inside update(), under its lock.
  bool is_alive(const instance_record& record) const;

  /// The records of live processes in this process' network namespace. Taken without the lock, so that
  /// a process that ends meanwhile may be among them.
  std::vector<instance_record> living() const;

  /// Removes the marks of all dead processes. Call it inside update(), under its lock.
  void sweep_marks() const;

  /// Removes the mark of a dead process.
  void forget(const instance_record& dead) const;

private:
  friend result<descriptor> take_turn(const std::string& folder, protocol::duration patience);
  std::string mark_path(const instance_record& record) const;
  result<descriptor> open(const std::string& path, int flags) const;
  std::string folder_;
};

/// The usual folder for files that end with the boot: /run/tonel; macOS: /var/run/tonel.
const char* usual_runtime_folder() noexcept;

/// $RUNTIME_DIRECTORY, as set by systemd, else usual_runtime_folder().
std::string runtime_folder();

/// Makes one program at a time look what the host has free and take it: until the descriptor is closed,
/// others wait for it.
/// Shape:  folder: made when needed
/// Errors: ETIMEDOUT: others have held it for `patience`; those of mkdir, open and flock
/// Thread: any; may block for `patience`
result<descriptor> take_turn(const std::string& folder, protocol::duration patience);

/// Removes what killed processes have left in a runtime folder: sockets that nobody serves, and marks
/// of the dead.
void sweep_runtime_folder(const std::string& folder);

/// Read and write a file of /proc/sys. Nothing is written if the value is already right.
/// Errors: those of the file; EACCES, EROFS: the service has no right to
result<std::string> read_sysctl(const std::string& name);
result<void> write_sysctl(const std::string& name, const std::string& value);

} // namespace tonel::sys
