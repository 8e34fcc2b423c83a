#pragma once

#include "system/direct_path.hpp"
#include "system/instance_state.hpp"
#include "system/linux/netlink.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tonel::sys {

/// The programs that hang on the ingress of this host's interfaces, by the best means of the kernel.
/// Owns:   what is attached. A filter (clsact) outlives a kill: it has the name of its process, by which
///         the next one finds it
/// Errors: netlink's and those of bpf(2)
/// Thread: one at a time; calls block
class direct_hooks {
public:
  /// folder: of the instances' records
  direct_hooks(std::string folder, direct_means means) : file_{std::move(folder)}, means_{means} {}
  ~direct_hooks();
  direct_hooks(const direct_hooks&) = delete;
  direct_hooks& operator=(const direct_hooks&) = delete;

  /// Attaches the program to the interface unless it is there. True: it had been, and others had
  /// detached it.
  result<bool> keep(route_netlink& netlink, std::uint32_t interface, int program);
  /// Detaches from all interfaces but these.
  void keep_only(route_netlink& netlink, const std::vector<std::uint32_t>& interfaces);
  /// Removes the filters of processes that are gone. Gives the names of those processes.
  result<std::vector<std::string>> sweep(route_netlink& netlink);
  /// "tcx" or "clsact"; empty: nothing is attached yet.
  const char* means() const noexcept;

  /// The name of this process among filters.
  void set_name(const std::string& tun);

private:
  struct hook {
    descriptor link;       ///< tcx
    ingress_filter filter; ///< clsact
    bool made = false;     ///< clsact itself
  };

  result<void> attach(route_netlink& netlink, std::uint32_t interface, int program, hook& into);
  result<void> attach_filter(route_netlink& netlink, std::uint32_t interface, int program,
                             hook& into);
  result<bool> is_there(route_netlink& netlink, std::uint32_t interface, const hook& h);
  static void detach(route_netlink& netlink, std::uint32_t interface, const hook& h);

  instance_file file_;
  direct_means means_;
  instance_record own_;
  std::optional<instance_mark> mark_;
  std::map<std::uint32_t, hook> hooks_;
};

} // namespace tonel::sys
