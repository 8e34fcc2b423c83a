#include "actors/path/udp_endpoint.hpp"

#include "actors/path/udp_output.hpp"
#include "actors/runtime/behavior_of.hpp"
#include "protocol/run.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace tonel::actors {

namespace {

constexpr std::size_t max_datagrams = 512;
// The name of an upstream that is away is worth a question, and no more than a few.
constexpr auto refusal_pause = std::chrono::seconds{10};

} // namespace

caf::behavior udp_endpoint(pinned<udp_endpoint_state>* self, const udp_endpoint_start& start) {
  self->state.start(start);
  static const auto state = []() -> udp_endpoint_state& {
    return state_of_handler<udp_endpoint_state>();
  };
  static const auto of_all = behavior_of<udp_endpoint_actor, own<fd_event>>(
      [](const fd_event& ready) { state().on(ready); },
      [](wire_to_app& batch) { state().on(batch); },
      [](streams_changed& changed) { state().set_streams(changed); },
      [](const close_session&) { state().close(); });
  return of_all;
}

void udp_endpoint_state::start(const udp_endpoint_start& s) {
  where = s.where;
  sockets = s.sockets;
  tunnel = s.tunnel;
  health = s.health;
  session = as<server_session_actor>(s.session);
  tells_answer = s.tells_answer;
  for (const auto& socket : sockets)
    self->watch(socket->fd(), socket);
}

void udp_endpoint_state::on(const fd_event& ready) {
  const auto& watches = self->watches(); // of the sockets, in their order
  const auto which = std::find(watches.begin(), watches.end(), ready.watch) - watches.begin();
  auto& socket = sockets.at(static_cast<std::size_t>(which));
  // Shared by the endpoints of the shard, each of which uses it within one call only.
  static thread_local std::vector<sys::received_datagrams> received;
  received.clear();
  const auto state = socket->receive(where->slabs, received, max_datagrams);
  if (!state) throw std::runtime_error(state.error().to_string());
  // Before slabs of this wake-up return: the first one to return starts the reader again.
  if (*state == sys::read_state::no_slab) {
    where->stats.add(counter::slab_pool_empty);
    where->gate.pause(ready.watch);
  }
  app_to_wire batch;
  where->spare_chunks.lend(batch.chunks);
  auto& stats = where->stats;
  for (auto& r : received) {
    const auto count = protocol::datagrams_in(r.bytes.length, r.bytes.datagram_size);
    stats.add(counter::datagrams_in, count);
    self->loop().found(count);
    stats.add(counter::datagram_bytes_in, r.bytes.length);
    if (streams.empty())
      stats.add(protocol::errc::not_open, count); // the session has no stream now
    else
      batch.chunks.push_back(std::move(r.bytes));
  }
  const auto error = socket->take_error();
  if (received.empty())
    note_refusal(error);
  else if (!heard || health->in_trouble())
    note_answer();
  received.clear();
  if (!batch.chunks.empty()) streams[next++ % streams.size()].put(*self, batch);
  where->spare_chunks.take_back(batch.chunks);
}

void udp_endpoint_state::set_streams(const streams_changed& changed) {
  streams.clear();
  for (const auto& s : changed.streams)
    streams.emplace_back(as<stream_actor>(s), self->loop());
}

void udp_endpoint_state::close() { self->quit(); }

void udp_endpoint_state::on(wire_to_app& batch) {
  static thread_local std::vector<sys::outgoing_run> runs;
  const auto refused = send_datagrams(*where, sockets, next_socket, batch, runs);
  if (refused == 0) return;
  for (const auto& socket : sockets)
    note_refusal(socket->take_error());
}

/// error: what an earlier datagram has met; 0: nothing
void udp_endpoint_state::note_refusal(int error) {
  // Others say nothing of the upstream: too big a datagram (anyone can forge that ICMP), no memory.
  static constexpr std::array<int, 7> meant{ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN,
                                            ENETDOWN,     EACCES,       EPERM};
  if (std::find(meant.begin(), meant.end(), error) == meant.end()) return;
  protocol::opening_failure what;
  what.cause = error == ECONNREFUSED ? protocol::opening_cause::upstream_refused
                                     : protocol::opening_cause::upstream_unreachable;
  const auto* entry = where->find(tunnel);
  if (entry != nullptr && !entry->remotes.empty()) what.remote = entry->remotes.front();
  const auto now = self->now();
  health->failed(*tunnel, what, now);
  if (now < refusal_at) return;
  refusal_at = now + refusal_pause;
  self->send(session, upstream_tried{false});
}

void udp_endpoint_state::note_answer() {
  heard = true;
  if (std::exchange(tells_answer, false)) self->send(session, upstream_tried{true});
  health->replied(*tunnel, self->now());
}

} // namespace tonel::actors
