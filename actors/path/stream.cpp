#include "actors/path/stream.hpp"

#include "actors/messages/stream_orders.hpp"
#include "actors/path/runs.hpp"
#include "actors/runtime/behavior_of.hpp"
#include "protocol/run.hpp"
#include "protocol/wire.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace tonel::actors {

caf::behavior stream(pinned<stream_state>* self, stream_start start) {
  self->state.start(start);
  self->set_exit_handler([self](const caf::exit_msg&) { self->state.session_gone(); });
  static const auto state = []() -> stream_state& { return state_of_handler<stream_state>(); };
  static const auto of_all = behavior_of<stream_actor, own<timer_event>>(
      [](from_device& batch) { state().on(batch); }, [](app_to_wire& batch) { state().on(batch); },
      [](timer_event event) { state().on(event); },
      [](const protocol::packet_too_big& icmp) { state().too_big(icmp); },
      [](const protocol::packet_undelivered& icmp) { state().undelivered(icmp); },
      [](const sink_changed& changed) { state().set_sink(as<sink_actor>(changed.sink)); },
      [](const queue_changed& changed) { state().set_queue(as<tun_queue_actor>(changed.queue)); },
      [](const close_stream& how) { state().close(how.at_exit); },
      [](reset_stream) { state().reset(); }, [](supersede_stream) { state().supersede(); },
      [](probe_stream) { state().probe(); });
  return of_all;
}

void stream_state::start(stream_start& s) {
  given = std::move(s.context);
  connection = s.machine;
  set_queue(as<tun_queue_actor>(s.queue));
  sink = {as<sink_actor>(s.sink), self->loop()};
  if (given.side == role::client) {
    run(machine().open(self->now()), nullptr);
  } else {
    counted.opened(given.where->stats);
    if (s.proof) take(*s.proof);
    if (!s.held.empty()) held = std::make_unique<held_list>(std::move(s.held));
    replay();
  }
  finish();
}

void stream_state::set_queue(const tun_queue_actor& to) {
  queue = {to, self->loop()};
  // Sent before our next segment, so that no answer can overtake it.
  self->send(to, stream_up{machine().tuple(), caf::actor_cast<caf::actor>(self), true});
}

void stream_state::set_sink(const sink_actor& to) {
  sink = {to, self->loop()};
  finish();
}

void stream_state::on(from_device& batch) {
  // Another attempt was first: at a second hello the server would end the stream in use.
  if (race() != nullptr && race()->winner != 0) return reset();
  given.where->spare_chunks.lend(in);
  for (const auto& segment : batch.segments)
    take(segment);
  finish();
}

void stream_state::take(const inbound_segment& segment) {
  run(machine().on_segment(segment.header, segment.payload(), self->now()), &segment);
}

void stream_state::run(const protocol::effects& effects) {
  run(effects, nullptr);
  finish();
}

void stream_state::run(const protocol::effects& effects, const inbound_segment* segment) {
  namespace p = protocol;
  for (const auto& e : effects)
    std::visit(overloaded{
                   [&](const p::send_segment& s) { put(s); },
                   [&](const p::deliver& d) {
                     auto chunk = segment->packet;
                     chunk.offset += segment->header.payload_offset + d.offset;
                     chunk.length = d.length;
                     chunk.datagram_size = std::min(segment->header.datagram_size, d.length);
                     cipher(chunk);
                     if (given.side == role::server) provoke("server-stream", chunk);
                     in.push_back(std::move(chunk));
                   },
                   [&](const p::hold_segment&) { hold(*segment); },
                   [&](const p::replay_held&) { replay(); },
                   [&](const p::opened&) {
                     if (const auto race = given.of_client
                                               ? std::exchange(given.of_client->race, nullptr)
                                               : nullptr)
                       race->winner = given.number;
                     counted.opened(given.where->stats);
                     tell(e);
                   },
                   [&](const p::greeted&) { tell(e); },
                   [&](const p::went_silent&) { tell(e); },
                   [&](const p::recovered&) { tell(e); },
                   [&](const p::went_idle&) { tell(e); },
                   [&](const p::became_active&) { tell(e); },
                   [&](const p::mtu_changed&) { told_too_large = false; },
                   [&](const p::try_new_port&) { tell(e); },
                   [&](const p::window_unscaled&) { tell(e); },
                   [&](const p::spoke_otherwise&) { tell(e); },
                   [&](const p::packet_undelivered&) { tell(e); },
                   [&](const p::count_drop& d) {
                     if (segment == nullptr) return given.where->stats.add(d.reason, d.datagrams);
                     given.where->drop(segment->packet, d.reason, d.datagrams);
                   },
                   [&](const p::ended&) {
                     counted.ended();
                     said_ended = true;
                     tell(e);
                   },
                   [&](const p::forgotten&) { over = true; },
                   [&](const p::peer_is_legacy&) {
                     counted.ended();
                     said_ended = true;
                     tell(e);
                   },
               },
               e);
}

void stream_state::put(const protocol::send_segment& s) {
  sys::outgoing_segment segment;
  segment.header = s.header;
  if (!s.payload.empty()) {
    auto chunk = given.where->slabs.append(s.payload);
    if (!chunk.slab) { // the machine's timer repeats it
      given.where->stats.add(counter::slab_pool_empty);
      return;
    }
    segment.first = static_cast<std::uint32_t>(out.chunks.size());
    segment.count = 1;
    segment.length = segment.datagram_size = chunk.length;
    out.chunks.push_back(std::move(chunk));
  }
  given.where->spare_outgoing.lend(out.segments);
  out.segments.push_back(segment);
}

void stream_state::hold(const inbound_segment& segment) {
  const auto payload = segment.payload(); // the machine limits their number
  // Copied, so that a small segment does not hold a slab.
  if (!held) held = std::make_unique<held_list>();
  held->push_back({segment.header, {payload.begin(), payload.end()}});
}

void stream_state::replay() {
  const auto waited = std::exchange(held, nullptr);
  if (!waited) return;
  for (auto& h : *waited) {
    inbound_segment segment{h.segment, given.where->slabs.append(h.payload)};
    if (!segment.packet.slab && !h.payload.empty()) {
      given.where->stats.add(counter::slab_pool_empty);
      continue;
    }
    segment.header.payload_offset = 0;
    take(segment);
  }
}

void stream_state::provoke(const char* place, const sys::chunk& datagrams) const {
  const auto& fault = given.where->process.provoke;
  if (fault) fault(place, datagrams.bytes());
}

void stream_state::cipher(const sys::chunk& datagrams) const {
  const auto& xor_key = given.tunnel->cipher;
  if (xor_key && datagrams.length > 0)
    xor_key->apply({datagrams.slab.data() + datagrams.offset, datagrams.length},
                   datagrams.datagram_size);
}

bool stream_state::fit(sys::chunk& datagrams) {
  const auto limit = machine().max_datagram();
  if (datagrams.datagram_size <= limit) return true;
  const auto count = protocol::datagrams_in(datagrams.length, datagrams.datagram_size);
  // All but the last have datagram_size; the last may be small enough.
  const auto last = datagrams.length - (count - 1) * datagrams.datagram_size;
  const bool keep_last = last <= limit;
  given.where->stats.add(protocol::errc::too_large, keep_last ? count - 1 : count);
  if (!told_too_large) {
    told_too_large = true;
    protocol::stream_report report;
    report.what = protocol::stream_report::kind::too_large;
    report.stream = given.number;
    report.size = datagrams.datagram_size;
    report.limit = limit;
    self->send(as<session_actor>(given.session), report);
  }
  if (!keep_last) return false;
  datagrams.offset += datagrams.length - last;
  datagrams.length = datagrams.datagram_size = last;
  return true;
}

void stream_state::on(app_to_wire& batch) {
  auto& stats = given.where->stats;
  auto& chunks = batch.chunks;
  chunks.erase(std::remove_if(chunks.begin(), chunks.end(),
                              [&](sys::chunk& c) {
                                if (given.side == role::client) provoke("client-stream", c);
                                if (!fit(c)) return true;
                                cipher(c);
                                return false;
                              }),
               chunks.end());
  given.where->spare_chunks.lend(out.chunks);
  given.where->spare_outgoing.lend(out.segments);
  const auto before = out.segments.size();
  const auto now = self->now();
  const auto header = protocol::header_size(machine().tuple().local.address.is_v4());
  plan_runs(std::move(chunks), protocol::max_ip_packet - header, out.chunks,
            [&](std::uint32_t first, const protocol::run_builder& run) {
              const auto size = run.datagram_size();
              const auto admitted = machine().admit(size, run.datagrams(), now);
              if (admitted < run.datagrams())
                stats.add(machine().withheld(), run.datagrams() - admitted);
              if (admitted == 0) {
                out.chunks.resize(first);
                return;
              }
              sys::outgoing_segment segment;
              segment.first = first;
              segment.datagram_size = size;
              segment.length = run.bytes();
              if (admitted < run.datagrams()) {
                // Cut after the last admitted datagram, which may be inside a chunk.
                segment.length = admitted * size;
                auto left = segment.length;
                auto end = first;
                for (; end < out.chunks.size() && left > 0; ++end) {
                  out.chunks[end].length = std::min(out.chunks[end].length, left);
                  left -= out.chunks[end].length;
                }
                out.chunks.resize(end);
              }
              segment.count = static_cast<std::uint32_t>(out.chunks.size()) - first;
              segment.header = machine().data_header(segment.length, admitted, false, now);
              given.used->into.add(admitted, segment.length);
              out.segments.push_back(segment);
            });
  // PSH on the last segment of a wake-up only: on each it would keep GRO from merging.
  if (out.segments.size() == before) return finish();
  const auto& first = out.segments[before];
  const bool several = out.segments.size() > before + 1 || first.length > first.datagram_size;
  note_use(&session_use::sent, several ? 2 : 1);
  if (machine().has_push()) out.segments.back().header.flags |= protocol::flag::psh;
  finish();
}

void stream_state::tell(const protocol::effect& e) {
  if (const auto report = protocol::report_of(e, given.number, machine(), self->now()))
    self->send(as<session_actor>(given.session), *report);
}

void stream_state::tell(protocol::stream_report::kind what) {
  self->send(as<session_actor>(given.session),
             protocol::make_report(what, given.number, machine(), self->now()));
}

void stream_state::on(timer_event) {
  const auto now = self->now();
  if (given.of_client && given.of_client->ages_at && *given.of_client->ages_at <= now) {
    given.of_client->ages_at.reset();
    if (!said_ended) tell(protocol::stream_report::kind::aging);
  }
  if (given.ends_at <= now) {
    given.ends_at = protocol::time_point::max();
    // By RST, not by FIN, which would close the session at both ends, while a client answers a RST
    // by a new stream at once.
    if (!said_ended) run(machine().reset(now), nullptr);
  }
  run(machine().on_timer(now));
}

void stream_state::note_use(std::uint8_t session_use::*way, std::size_t datagrams) {
  given.used->note(way, datagrams, self->now());
}

void stream_state::close(bool at_exit) {
  // At exit nothing waits for late segments of an ended stream.
  over = over || (at_exit && said_ended);
  run(machine().close(self->now(), at_exit));
}

void stream_state::session_gone() {
  // The session is gone, so this actor ends at once; if the RST is challenged, the acceptor
  // answers, as for all segments of no stream.
  over = true;
  reset();
}

void stream_state::too_big(const protocol::packet_too_big& icmp) {
  run(machine().on_too_big(icmp, self->now()));
}

void stream_state::undelivered(protocol::packet_undelivered icmp) {
  const auto& tun = given.where->process.settings.tun;
  icmp.here = icmp.from == tun.local4 || icmp.from == tun.local6 ||
              icmp.from == machine().tuple().local.address;
  run(machine().on_undelivered(icmp));
}

void stream_state::reset() { run(machine().reset(self->now())); }

void stream_state::supersede() { run(machine().supersede(self->now())); }

void stream_state::probe() { run(machine().on_resume(self->now())); }

void stream_state::finish() {
  auto& spare = given.where->spare_chunks;
  if (!in.empty()) {
    // Datagrams wait here for the sink, which comes within this pass of the shard, so that none
    // overtakes another.
    if (sink) {
      const bool several = in.size() > 1 || in.front().length > in.front().datagram_size;
      note_use(&session_use::got, several ? 2 : 1);
      for (const auto& chunk : in)
        given.used->out_of.add(protocol::datagrams_in(chunk.length, chunk.datagram_size),
                               chunk.length);
      wire_to_app batch{given.of_client ? given.of_client->path : sys::datagram_path{},
                        std::exchange(in, {})};
      sink.put(*self, batch);
      spare.take_back(batch.chunks);
    } else if (!std::exchange(asked_for_sink, true)) {
      tell(protocol::stream_report::kind::sink_wanted);
    }
  }
  if (in.empty()) spare.take_back(in);
  if (!out.segments.empty()) queue.put(*self, out);
  given.where->spare_outgoing.take_back(out.segments);
  spare.take_back(out.chunks);
  if (over) {
    self->quit();
    return;
  }
  auto at = machine().deadline();
  const auto earlier = [&at](const std::optional<protocol::time_point>& age) {
    if (age && (!at || *age < *at)) at = age;
  };
  if (given.ends_at != protocol::time_point::max()) earlier(given.ends_at);
  if (given.of_client) earlier(given.of_client->ages_at);
  self->arm(at);
}

} // namespace tonel::actors
