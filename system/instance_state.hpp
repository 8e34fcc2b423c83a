#pragma once

#include "system/os_error.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
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
};

/// The record of this process.
instance_record own_record(const std::string& table);

/// Whether its process still runs.
bool is_alive(const instance_record& record);

/// A line a record, a line a lease. Lines that are not understood are left out.
std::string to_text(const std::vector<instance_record>& records);
std::vector<instance_record> parse_records(const std::string& text);

/// The file in which the instances of this host write down what they have changed, so that what a
/// killed one has left can be undone by the next.
/// Owns:   nothing between calls; a lock (flock) while one is under way
class instance_file {
public:
  /// The folder is made when it is needed.
  explicit instance_file(std::string folder) : folder_{std::move(folder)} {}

  /// Calls change with all records, under the lock, and keeps what it makes of them.
  /// Errors: those of mkdir, open and rename; change has been called nevertheless, with no records
  result<void> update(const std::function<void(std::vector<instance_record>&)>& change);

private:
  std::string folder_;
};

/// $RUNTIME_DIRECTORY, as systemd sets it, else /run/tonel.
std::string runtime_folder();

/// Reads and writes /proc/sys. A write is not an error where the value is the wanted one already.
/// Errors: those of the file; EACCES and EROFS: the service may not
result<std::string> read_sysctl(const std::string& name);
result<void> write_sysctl(const std::string& name, const std::string& value);

} // namespace tonel::sys
