#pragma once

#include "actors/runtime/reactor_actor.hpp"
#include "system/stream_socket.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace tonel::actors {

/// Limits on what clients of a listener can make the process hold.
struct connection_bounds {
  std::size_t clients = 16;                               ///< more wait in the kernel's queue
  std::size_t request = std::size_t{16} << 10;            ///< octets of an incomplete request
  protocol::duration patience = std::chrono::seconds{10}; ///< for a request, and for its answer
  /// If no place is left, the oldest client that has not asked yet is dropped for the next one.
  bool silent_make_way = false;
};

/// The connections of one listener: each client asks, gets an answer, asks again. Requests that
/// come before the answer was sent stay in the kernel.
/// Owns:   the connections; shares the listener, so that a restarted actor uses the same
class connections {
public:
  using client_id = std::uint64_t;
  /// Removes a request from the front of `input`, and answers it, now or later. False: no whole
  /// request yet.
  using request_handler = std::function<bool(client_id, std::string& input)>;
  /// Whether this client may connect.
  using admission = std::function<bool(const sys::stream_connection&)>;

  connections(reactor_actor& owner, std::shared_ptr<sys::stream_listener> listener,
              connection_bounds bounds, admission admit, request_handler on_request);

  void on_ready(const fd_event& event);
  /// Sends the answer to a client, unless it has gone. last: then ends the connection
  void answer(client_id client, std::string text, bool last);
  /// Drops clients whose time is over, and accepts new ones again.
  void on_timer();
  std::optional<protocol::time_point> next_deadline() const;
  std::size_t size() const noexcept { return clients_.size(); }

private:
  struct client {
    std::shared_ptr<sys::stream_connection> socket;
    reactor::watch_id watch = 0;
    std::string in, out;
    std::size_t written = 0;
    bool asked = false; ///< its answer is being prepared
    bool last = false;
    protocol::time_point deadline{};
    bool is_silent() const noexcept { return !asked && out.empty(); }
  };
  using client_map = std::map<client_id, client>;

  void accept();
  /// Whether another client may come, if need be in place of a silent one.
  bool has_room();
  /// Drops the oldest silent client, after one too many was accepted.
  void make_way();
  client_map::iterator oldest_silent();
  void listen(bool on);
  void read(client_map::iterator at);
  /// Handles requests as long as there are any, and each is answered at once.
  void serve(client_id id);
  /// False: the client is gone.
  bool flush(client_map::iterator at);
  void drop(client_map::iterator at);
  void pace(client& c);

  reactor_actor& owner_;
  std::shared_ptr<sys::stream_listener> listener_;
  connection_bounds bounds_;
  admission admit_;
  request_handler on_request_;
  reactor::watch_id watch_ = 0;
  bool full_ = false;
  /// Until then no connection is accepted, since there was no descriptor for one.
  std::optional<protocol::time_point> accept_again_;
  client_id serving_ = 0;
  client_id last_id_ = 0;
  client_map clients_;
};

} // namespace tonel::actors
