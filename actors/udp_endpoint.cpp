#include "actors/udp_endpoint.hpp"

#include "actors/faults.hpp"
#include "actors/udp_output.hpp"
#include "protocol/run.hpp"

#include <caf/send.hpp>

#include <stdexcept>
#include <utility>

namespace tonel::actors {

namespace {

constexpr std::size_t max_datagrams = 512;

} // namespace

caf::behavior udp_endpoint(pinned<udp_endpoint_state>* self, shard* where,
                           std::shared_ptr<sys::datagram_socket> socket, caf::actor session) {
  self->state.start(where, std::move(socket), session);
  self->set_down_handler([self](const caf::down_msg&) { self->quit(); });
  return {
      [self](const fd_event&) { self->state.read(); },
      [self](datagram_batch& batch) { self->state.send(batch); },
      [self](streams_changed& changed) {
        auto& streams = self->state.streams;
        streams.clear();
        for (const auto& s : changed.streams)
          streams.push_back(as<stream_actor>(s));
      },
  };
}

void udp_endpoint_state::start(shard* s, std::shared_ptr<sys::datagram_socket> socket_of_session,
                               const caf::actor& session) {
  where = s;
  socket = std::move(socket_of_session);
  self->monitor(session);
  watch = self->watch(socket->fd(), socket);
}

void udp_endpoint_state::read() {
  // Shared by the endpoints of the shard: each uses it within one call alone.
  static thread_local std::vector<sys::received_datagrams> received;
  received.clear();
  const auto state = socket->receive(where->slabs, received, max_datagrams);
  if (!state) throw std::runtime_error(state.error().to_string());
  // Before anything of this wake-up is given back: the first slab to return calls the reader again.
  if (*state == sys::read_state::no_slab) {
    where->stats.add(counter::slab_pool_empty);
    where->gate.pause(watch);
  }
  datagram_batch batch;
  auto& stats = where->stats;
  for (auto& r : received) {
    const auto count = protocol::datagrams_in(r.bytes.length, r.bytes.datagram_size);
    stats.add(counter::datagrams_in, count);
    self->loop().found(count);
    stats.add(counter::datagram_bytes_in, r.bytes.length);
    if (streams.empty())
      stats.add(protocol::errc::not_open, count); // between two streams of the session
    else
      batch.chunks.push_back(std::move(r.bytes));
  }
  received.clear();
  if (!batch.chunks.empty()) self->send(streams[next++ % streams.size()], std::move(batch));
}

void udp_endpoint_state::send(datagram_batch& batch) {
  static thread_local std::vector<sys::outgoing_run> runs;
  for (const auto& c : batch.chunks)
    provoke_fault("endpoint", c);
  send_datagrams(*where, *socket, batch, runs);
}

} // namespace tonel::actors
