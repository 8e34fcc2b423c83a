#pragma once

#include "actors/messages/status.hpp"
#include "actors/root/host.hpp"
#include "protocol/expected.hpp"
#include "protocol/time.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tonel::actors {

/// The configuration that a reload has read.
struct reload_result {
  std::vector<tunnel_ptr> tunnels;   ///< all tunnels of the new configuration
  std::vector<std::string> problems; ///< not empty: change nothing
  std::string need_restart;          ///< options that have changed, but only a restart applies
};

/// Reads the configuration while the process runs: one reading at a time, with an answer to each
/// question. Status says so when a reading takes long.
class reloading {
public:
  struct outside {
    std::function<void()> read; ///< must not block; its result goes to arrived(). May be null
    std::function<void(const ask_reload&, bool done, const std::string& detail)> answer;
    std::function<void(const part_status&)> tell; ///< for status
  };

  explicit reloading(outside given) : given_(std::move(given)) {}

  /// False: there is nothing to read, and ask() must not be called.
  bool possible() const noexcept { return given_.read != nullptr; }
  /// True: a reading begins. False: one is under way, and another follows it, so that changes made
  /// meanwhile are seen.
  bool ask(protocol::time_point now);
  /// Keeps the question; it is answered when the reload is over.
  void note(const ask_reload& question) { questions_.push_back(question); }
  /// A reading has ended. True: use its result. False: drop it and ask() again.
  bool arrived();
  /// Answers all questions.
  void answer(bool done, const std::string& detail);

  void on_timer(protocol::time_point now);
  std::optional<protocol::time_point> next_deadline() const { return late_at_; }

private:
  outside given_;
  bool under_way_ = false, again_ = false;
  protocol::time_point since_{};
  std::optional<protocol::time_point> late_at_; ///< when status shall say that the reading is late
  std::vector<ask_reload> questions_;
};

/// The tunnels after a reload, and the differences from before.
struct merged_tunnels {
  /// One that ended takes up again with other settings.
  struct change {
    tunnel_ptr before, after;
  };
  std::vector<process_tunnel> now;
  std::vector<tunnel_ptr> started, ended; ///< those that change are in both
  std::vector<change> changed;
};

/// Merges the wanted tunnels with the present ones: a tunnel equal to a present one keeps its
/// object and sockets (docs/adr/0007).
/// listen: opens the sockets of new tunnels; may be null
/// Errors: a line for each socket that cannot be opened; change nothing
expected<merged_tunnels, std::vector<std::string>>
merge(const std::vector<process_tunnel>& before, const std::vector<tunnel_ptr>& wanted,
      const std::function<sys::result<tunnel_sockets>(const tunnel_config&)>& listen);

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::reload_result)
