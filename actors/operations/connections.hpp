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

/// What clients of a listener may make the process hold.
struct connection_bounds {
  std::size_t clients = 16;                               ///< more wait in the kernel's queue
  std::size_t request = std::size_t{16} << 10;            ///< octets that are no whole request yet
  protocol::duration patience = std::chrono::seconds{10}; ///< for a request, and for its answer
  /// With no place left the oldest that has not asked yet makes way for the next.
  bool silent_make_way = false;
};

/// The connections of one listener: each asks, gets its answer, asks again. What comes while an
/// answer is made or on its way stays in the kernel.
/// Owns:   the connections; borrows the listener, so that a restarted actor takes the same
class connections {
public:
  using client_id = std::uint64_t;
  /// Looks for a request at the front of `input`, takes it off and answers, now or later.
  /// False: there is none yet.
  using request_handler = std::function<bool(client_id, std::string& input)>;
  /// Whether this one may connect.
  using admission = std::function<bool(const sys::stream_connection&)>;

  connections(reactor_actor& owner, std::shared_ptr<sys::stream_listener> listener,
              connection_bounds bounds, admission admit, request_handler on_request);

  void on_ready(const fd_event& event);
  /// Sends the answer; with `last` the connection ends with it. One that has gone is ignored.
  void answer(client_id client, std::string text, bool last);
  /// Ends those whose patience is over, and takes new ones again.
  void on_timer();
  std::optional<protocol::time_point> next_deadline() const;
  std::size_t size() const noexcept { return clients_.size(); }

private:
  struct client {
    std::shared_ptr<sys::stream_connection> socket;
    reactor::watch_id watch = 0;
    std::string in, out;
    std::size_t written = 0;
    bool asked = false; ///< its answer is being made
    bool last = false;
    protocol::time_point deadline{};
    bool is_silent() const noexcept { return !asked && out.empty(); }
  };
  using client_map = std::map<client_id, client>;

  void accept();
  /// Whether one more may come, if need be in the place of a silent one.
  bool has_room();
  /// One more than may be is there: the oldest silent one goes.
  void make_way();
  client_map::iterator oldest_silent();
  void listen(bool on);
  void read(client_map::iterator at);
  /// Has requests answered as long as there are any and each is answered at once.
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
  /// There was no descriptor for a connection; until then none is taken.
  std::optional<protocol::time_point> accept_again_;
  client_id serving_ = 0;
  client_id last_id_ = 0;
  client_map clients_;
};

} // namespace tonel::actors
