#pragma once

#include "protocol/address.hpp"
#include "protocol/profile.hpp"
#include "protocol/time.hpp"

#include <optional>
#include <unordered_map>

namespace tonel::protocol {

/// What clients' sessions ask and tell about remotes; asked where a stream is opened, never where packets
/// pass.
class remote_knowledge {
public:
  virtual ~remote_knowledge() = default;
  /// The older dialect that the remote was found to speak less than 10 minutes ago.
  virtual std::optional<profile> legacy(const endpoint& remote, time_point now) const = 0;
  /// Its hello has been read.
  virtual bool was_native(const endpoint& remote) const = 0;
  virtual void saw_native(const endpoint& remote) = 0;
  /// True: not known so far, and worth a line in the log.
  virtual bool saw_legacy(const endpoint& remote, profile shown, time_point now) = 0;
  /// True the first time since its last hello: it refuses the dialect that it spoke.
  virtual bool refused_for_long(const endpoint& remote) = 0;
  /// The older dialect was not answered.
  virtual void forget_legacy(const endpoint& remote) = 0;
  /// True the first time: what a user is to hear of this remote but once.
  virtual bool remark(const endpoint& remote) = 0;
  /// The path to it ends TCP. True: that is worth a line in the log, as once an hour.
  virtual bool saw_proxy(const endpoint& remote, time_point now) = 0;
  /// The same of its path's windows.
  virtual bool remark_window(const endpoint& remote) = 0;

protected:
  remote_knowledge() = default;
  remote_knowledge(const remote_knowledge&) = default;
  remote_knowledge& operator=(const remote_knowledge&) = default;
};

/// What has been learnt of the dialects that remotes speak. One per process, for all its sessions.
/// Thread: none of its own; the shell guards it where several shards share it
class remote_dialects final : public remote_knowledge {
public:
  std::optional<profile> legacy(const endpoint& remote, time_point now) const override;
  bool was_native(const endpoint& remote) const override;
  void saw_native(const endpoint& remote) override;
  bool saw_legacy(const endpoint& remote, profile shown, time_point now) override;
  bool refused_for_long(const endpoint& remote) override;
  void forget_legacy(const endpoint& remote) override;
  bool remark(const endpoint& remote) override;
  bool saw_proxy(const endpoint& remote, time_point now) override;
  bool remark_window(const endpoint& remote) override;

private:
  struct entry {
    bool native = false;
    bool remarked = false, window_remarked = false;
    bool refused = false;
    std::optional<profile> older;
    time_point found{};
    std::optional<time_point> proxy_remarked;
  };

  // Keys are what resolvers say, not what peers choose: no seed is needed.
  std::unordered_map<endpoint, entry, address_hash> known_;
};

} // namespace tonel::protocol
