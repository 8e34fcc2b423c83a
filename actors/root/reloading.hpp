#pragma once

#include "actors/messages/status.hpp"
#include "actors/root/host.hpp"
#include "protocol/time.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tonel::actors {

/// What a reload has found.
struct reload_result {
  std::vector<tunnel_ptr> tunnels;   ///< all there are to be
  std::vector<std::string> problems; ///< not empty: nothing is to change
  std::string need_restart;          ///< options that have changed and wait for a restart
};

/// The reading of the configuration while the process runs: one at a time, waited for, and answered to
/// whoever has asked for it.
class reloading {
public:
  struct outside {
    std::function<void()> read; ///< without blocking; the result is given to arrived(). May be null
    std::function<void(const ask_reload&, bool done, const std::string& detail)> answer;
    std::function<void(const part_status&)> tell; ///< for status
  };

  explicit reloading(outside given) : given_(std::move(given)) {}

  /// There is something to read; otherwise nothing is to be asked for.
  bool possible() const noexcept { return given_.read != nullptr; }
  /// True: reading begins. Otherwise it is read anew when what is being read has arrived: of what
  /// changes meanwhile, the last state is to count.
  bool ask(protocol::time_point now);
  /// Is answered when the reload is over.
  void note(const ask_reload& question) { questions_.push_back(question); }
  /// True: the result counts. False: it has to be asked for anew.
  bool arrived();
  void answer(bool done, const std::string& detail);

  void on_timer(protocol::time_point now);
  std::optional<protocol::time_point> next_deadline() const { return late_at_; }

private:
  outside given_;
  bool under_way_ = false, again_ = false;
  protocol::time_point since_{};
  std::optional<protocol::time_point> late_at_; ///< not said to be late yet
  std::vector<ask_reload> questions_;
};

/// The tunnels after a reload, and which of them are others than before.
struct merged_tunnels {
  std::vector<process_tunnel> now;
  std::vector<tunnel_ptr> started, ended;
};

/// What is equal to a tunnel there was keeps its object and its sockets (docs/adr/0007).
/// listen: opens the sockets of the others; may be null
/// Errors: nothing where a socket cannot be had, which is logged; nothing is to change
std::optional<merged_tunnels>
merge(const std::vector<process_tunnel>& before, const std::vector<tunnel_ptr>& wanted,
      const std::function<sys::result<tunnel_sockets>(const tunnel_config&)>& listen);

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::reload_result)
