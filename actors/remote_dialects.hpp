#pragma once

#include "protocol/address.hpp"
#include "protocol/profile.hpp"
#include "protocol/time.hpp"

#include <mutex>
#include <optional>
#include <unordered_map>

namespace tonel::actors {

/// What this process has learnt of the dialects that remotes speak, for all its sessions.
/// Thread: any; asked where a stream is opened, never where packets pass
class remote_dialects {
public:
  /// The older dialect that the remote was found to speak less than 10 minutes ago.
  std::optional<protocol::profile> legacy(const protocol::endpoint& remote,
                                          protocol::time_point now) const;
  /// Its hello has been read.
  bool was_native(const protocol::endpoint& remote) const;
  void saw_native(const protocol::endpoint& remote);
  /// True: not known so far, and worth a line in the log.
  bool saw_legacy(const protocol::endpoint& remote, protocol::profile shown,
                  protocol::time_point now);
  /// True the first time since its last hello: it refuses the dialect that it spoke.
  bool refused_for_long(const protocol::endpoint& remote);
  /// The older dialect was not answered.
  void forget_legacy(const protocol::endpoint& remote);
  /// True the first time: what a user is to hear of this remote but once.
  bool remark(const protocol::endpoint& remote);
  /// The path to it ends TCP. True: that is worth a line in the log, as once an hour.
  bool saw_proxy(const protocol::endpoint& remote, protocol::time_point now);
  /// The same of its path's windows.
  bool remark_window(const protocol::endpoint& remote);

private:
  struct entry {
    bool native = false;
    bool remarked = false, window_remarked = false;
    bool refused = false;
    std::optional<protocol::profile> older;
    protocol::time_point found{};
    std::optional<protocol::time_point> proxy_remarked;
  };

  // Keys are what resolvers say, not what peers choose: no seed is needed.
  mutable std::mutex mutex_;
  std::unordered_map<protocol::endpoint, entry, protocol::address_hash> known_;
};

} // namespace tonel::actors
