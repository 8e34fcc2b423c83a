#pragma once

#include "protocol/session/remote_dialects.hpp"

#include <mutex>
#include <optional>

namespace tonel::actors {

/// The dialects of remotes, as learnt by this process, for the sessions of all shards.
/// Thread: any
class shared_remotes final : public protocol::remote_knowledge {
public:
  std::optional<protocol::profile> legacy(const protocol::endpoint& remote,
                                          protocol::time_point now) const override {
    const std::lock_guard lock{mutex_};
    return known_.legacy(remote, now);
  }
  bool was_native(const protocol::endpoint& remote) const override {
    const std::lock_guard lock{mutex_};
    return known_.was_native(remote);
  }
  void saw_native(const protocol::endpoint& remote) override {
    const std::lock_guard lock{mutex_};
    known_.saw_native(remote);
  }
  bool saw_legacy(const protocol::endpoint& remote, protocol::profile shown,
                  protocol::time_point now) override {
    const std::lock_guard lock{mutex_};
    return known_.saw_legacy(remote, shown, now);
  }
  void forget_legacy(const protocol::endpoint& remote) override {
    const std::lock_guard lock{mutex_};
    known_.forget_legacy(remote);
  }
  bool remark(const protocol::endpoint& remote) override {
    const std::lock_guard lock{mutex_};
    return known_.remark(remote);
  }
  bool remark_window(const protocol::endpoint& remote) override {
    const std::lock_guard lock{mutex_};
    return known_.remark_window(remote);
  }

private:
  mutable std::mutex mutex_;
  protocol::remote_dialects known_;
};

} // namespace tonel::actors
