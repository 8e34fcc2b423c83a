#pragma once

#include "actors/app/programs/start_error.hpp"
#include "actors/shard/config.hpp"
#include "system/tcp_ports.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tonel::actors::app {

/// What a port_keeper asks the host; tests give others.
struct port_questions {
  std::function<std::vector<sys::listener_facts>(const std::vector<std::uint16_t>&)> listeners =
      sys::tcp_listeners;
  std::function<sys::result<sys::port_claim>(std::uint16_t)> claim = sys::port_claim::make;
  std::function<sys::listener_facts(std::uint16_t)> holder = sys::port_claim::holder;
};

/// Sees to it that a server takes no TCP port away from another program without a word.
/// Owns:   what tells other programs of this kind that the ports are served
/// Thread: any, one at a time; calls block
class port_keeper {
public:
  /// take_used: --take-port. ipv6: the tunnels have it
  port_keeper(bool take_used, bool ipv6, port_questions ask = {});

  /// Makes the ports of these tunnels ours; those that are already stay so.
  /// Errors: a text for each port that another program has; then nothing has changed
  std::vector<std::string> take(const std::vector<tunnel_ptr>& tunnels);
  /// Gives up all ports but those of these tunnels.
  void keep_only(const std::vector<tunnel_ptr>& tunnels);
  /// Of take() with --take-port, what it would have refused; each is given once.
  std::vector<std::string> warnings();

private:
  /// Nothing: the port is free, or is to be taken all the same. listeners: of all ports
  std::optional<std::string> take(const tunnel_config& tunnel,
                                  const std::vector<sys::listener_facts>& listeners);

  bool take_used_, ipv6_;
  port_questions ask_;
  std::map<std::uint16_t, std::optional<sys::port_claim>> ours_; ///< without: could not be had
  std::vector<std::string> warnings_;
};

/// Who uses the port, in words; nothing: nobody whom a server would take connections from. What listens on
/// loopback alone gets its connections as before.
std::optional<std::string> port_users(const std::vector<sys::listener_facts>& listeners,
                                      std::uint16_t port, bool ipv6);

/// Why a server does not start, or a reload is refused.
start_error port_error(const std::vector<std::string>& problems);

} // namespace tonel::actors::app
