#pragma once

#include "protocol/address.hpp"
#include "protocol/profile.hpp"
#include "protocol/time.hpp"

#include <optional>
#include <unordered_map>

namespace tonel::protocol {

/// What clients' sessions ask and tell about remotes. Used when a stream is opened or ends, never
/// for a packet.
class remote_knowledge {
public:
  virtual ~remote_knowledge() = default;
  /// The legacy dialect that the remote was found to speak less than 10 minutes ago; none: unknown.
  virtual std::optional<profile> legacy(const endpoint& remote, time_point now) const = 0;
  /// Whether a hello of the remote was received.
  virtual bool was_native(const endpoint& remote) const = 0;
  /// A hello of the remote was received.
  virtual void saw_native(const endpoint& remote) = 0;
  /// The remote answered in the legacy dialect `shown`. True: log it, it was not known.
  virtual bool saw_legacy(const endpoint& remote, profile shown, time_point now) = 0;
  /// The remote did not answer in its legacy dialect.
  virtual void forget_legacy(const endpoint& remote) = 0;
  /// True the first time: for a remark about the remote that is logged once.
  virtual bool remark(const endpoint& remote) = 0;
  /// The path to the remote takes the window scale away. True: log it, the first time.
  virtual bool remark_window(const endpoint& remote) = 0;

protected:
  remote_knowledge() = default;
  remote_knowledge(const remote_knowledge&) = default;
  remote_knowledge& operator=(const remote_knowledge&) = default;
};

/// The dialects of remotes, as learnt by a process. One per process, for all sessions.
/// Thread: one at a time; actors::shared_remotes adds a lock
class remote_dialects final : public remote_knowledge {
public:
  std::optional<profile> legacy(const endpoint& remote, time_point now) const override;
  bool was_native(const endpoint& remote) const override;
  void saw_native(const endpoint& remote) override;
  bool saw_legacy(const endpoint& remote, profile shown, time_point now) override;
  void forget_legacy(const endpoint& remote) override;
  bool remark(const endpoint& remote) override;
  bool remark_window(const endpoint& remote) override;

private:
  struct entry {
    bool native = false;
    bool remarked = false, window_remarked = false;
    std::optional<profile> older;
    time_point found{};
  };

  // Keys come from resolvers, not from peers, so the hash needs no secret seed.
  std::unordered_map<endpoint, entry, address_hash> known_;
};

} // namespace tonel::protocol
