#include "actors/path/tun_queue.hpp"

#include "actors/path/segment_text.hpp"
#include "actors/runtime/behavior_of.hpp"
#include "actors/runtime/log.hpp"
#include "protocol/run.hpp"
#include "protocol/wire.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace tonel::actors {

using namespace std::chrono_literals;

namespace {

// The most segments that open or join a session before it can be made or found.
constexpr std::size_t max_waiting = 64;
constexpr auto adoption_time = 3s;
// How long a join waits for its group: a client joins right after the segment that opens the group,
// which may be in another queue, or late. Far less than the 3 s that the client waits.
constexpr auto join_time = 200ms;

// Streams on this shard tell a queue that takes another's place of themselves before it first reads; those
// on others as soon as their threads run.
constexpr auto reunion_time = 200ms;

// New connections are not answered while the shard is behind by more than this.
constexpr auto syn_patience = std::chrono::milliseconds{5};

} // namespace

caf::behavior tun_queue(pinned<tun_queue_state>* self, shard* where) {
  auto& st = self->state;
  st.start(where);
  self->set_down_handler([self](const caf::down_msg& down) { self->state.stream_gone(down); });
  return behavior_of<tun_queue_actor, own<fd_event, timer_event>>(
      [self](const fd_event& ready) { self->state.on(ready); },
      [self](timer_event) { self->state.on_timer(); },
      [self](to_device& batch) { self->state.on(batch); },
      [self](const stream_up& up) { self->state.add_stream(up); },
      [self](const stream_refused& r) { self->state.refuse(r.tuple); },
      [self](peers_changed& peers) { self->state.set_peers(peers); },
      [self](ports_changed) { self->state.set_ports(); },
      [self](device_renewed) { self->state.renew(); });
}

void tun_queue_state::start(shard* s) {
  where = s;
  if (std::exchange(where->had_queue, true)) knows_all_at = self->now() + reunion_time;
  const auto& context = s->process;
  protocol::acceptor_config accept;
  accept.secret = context.cookie_secret;
  accept.mtu = context.settings.tun.mtu;
  accept.ports = serve();
  accept.join_patience = join_time;
  accept.queue = s->index;
  acceptor = std::make_unique<protocol::acceptor>(accept);
  routes = std::make_unique<route_map>(0, context.hash);
  renew();
}

void tun_queue_state::renew() {
  if (watch) self->unwatch(*watch);
  watch.reset();
  where->tun.renew();
  if (where->tun.fd() >= 0) watch = self->watch(where->tun.fd());
  offload_was_on = where->tun.offload();
}

protocol::served_ports tun_queue_state::serve() {
  protocol::served_ports ports;
  served.clear();
  if (where->process.settings.side != role::server) return ports;
  for (const auto& tunnel : where->tunnels) {
    const auto port = tunnel.settings->local_port;
    const auto& groups = where->process.groups;
    auto* groups_of_port =
        tunnel.settings->accept_legacy && groups ? &groups->of_port(port) : nullptr;
    served[port] = {tunnel.settings, false};
    ports[port] = {tunnel.settings->accept_native, groups_of_port != nullptr, groups_of_port,
                   protocol::ip_net_set{tunnel.settings->allow}};
  }
  return ports;
}

void tun_queue_state::set_ports() { acceptor->serve(serve()); }

void tun_queue_state::read() {
  packets.clear();
  const auto state = where->tun.read(where->slabs, packets, depth.next());
  if (!state) throw std::runtime_error(state.error().to_string());
  if (*state == sys::read_state::gone) {
    self->unwatch(*watch);
    watch.reset();
  }
  // Before slabs of this wake-up return: the first one to return starts the reader again.
  if (*state == sys::read_state::no_slab) {
    where->stats.add(counter::slab_pool_empty);
    where->gate.pause(*watch);
  }
  read_datagrams = 0;
  traces = log_enabled(log_level::trace);
  for (auto& packet : packets)
    take(packet);
  depth.found(std::max(packets.size(), read_datagrams));
  packets.clear();
  for (auto* r : touched) {
    r->queued = false;
    from_device batch{std::exchange(r->inbound, {})};
    r->stream.put(*self, batch);
    where->spare_inbound.take_back(batch.segments);
  }
  touched.clear();
  flush_replies();
  arm();
}

void tun_queue_state::take(sys::received_packet& packet) {
  auto& stats = where->stats;
  stats.add(counter::tun_packets_in);
  stats.add(counter::tun_bytes_in, packet.bytes.length);
  const auto parsed = protocol::parse_packet(packet.bytes.bytes(), packet.offload);
  if (!parsed) {
    if (parsed.error() == protocol::errc::fragment) return take_fragment(packet.bytes);
    where->drop(packet.bytes, parsed.error());
    return;
  }
  sort(*parsed, std::move(packet.bytes));
}

void tun_queue_state::sort(const protocol::packet_repr& parsed, sys::chunk&& packet) {
  auto& stats = where->stats;
  const auto* segment = std::get_if<protocol::segment_repr>(&parsed);
  if (segment == nullptr) {
    if (const auto* icmp = std::get_if<protocol::packet_too_big>(&parsed)) pass_on(*icmp, packet);
    if (const auto* icmp = std::get_if<protocol::packet_undelivered>(&parsed))
      pass_on(*icmp, packet);
    return;
  }
  if (traces) log_trace("in  ", segment_text(*segment));
  const auto segments = protocol::datagrams_in(segment->payload_length, segment->datagram_size);
  stats.add(counter::tun_segments_in, segments);
  self->loop().found(segments);
  read_datagrams += segments;
  auto* known = route_of(segment->tuple);
  if (known == nullptr) {
    stray(*segment, std::move(packet));
    return;
  }
  auto& r = *known;
  if (!r.stream) return hold({*segment, std::move(packet)});
  if (!r.queued) {
    r.queued = true;
    touched.push_back(&r);
    where->spare_inbound.lend(r.inbound);
  }
  r.inbound.push_back({*segment, std::move(packet)});
}

bool tun_queue_state::is_wanted(const protocol::four_tuple& tuple) {
  return served.count(tuple.local.port) != 0 || route_of(tuple) != nullptr;
}

void tun_queue_state::take_fragment(const sys::chunk& packet) {
  auto& stats = where->stats;
  const auto part = protocol::parse_fragment(packet.bytes());
  if (!part || (part->first() && !is_wanted(part->tuple)))
    return where->drop(packet, protocol::errc::fragment);
  const auto out = fragments.take(*part, packet.bytes(), self->now());
  stats.add(protocol::errc::fragment, out.dropped);
  if (out.packet.empty()) return;
  stats.add(counter::tun_packets_joined);
  auto whole = where->slabs.append(out.packet);
  if (!whole.slab) return where->drop(packet, counter::slab_pool_empty);
  const auto parsed = protocol::parse_packet(whole.bytes(), {});
  if (!parsed) return where->drop(packet, parsed.error());
  const auto* segment = std::get_if<protocol::segment_repr>(&*parsed);
  if (!told_fragments && segment != nullptr && route_of(segment->tuple) != nullptr) {
    told_fragments = true;
    log_warn("packets from ", segment->tuple.remote, " come in IP fragments of at most ", out.piece,
             " octets: something on the path clears DF and cuts them (pf's scrub no-df, MikroTik's "
             "clear-df). They are put together; --mtu ",
             out.piece, " at both ends avoids the work and the loss (said once)");
  }
  sort(*parsed, std::move(whole));
}

void tun_queue_state::hold(const inbound_segment& in) {
  if (!acceptor->hold(in.header, in.payload(), self->now()))
    where->drop(in.packet, protocol::errc::hold_full);
}

tun_queue_state::route* tun_queue_state::route_of(const protocol::four_tuple& tuple) {
  if (last_route != nullptr && tuple == last_tuple) return last_route;
  const auto found = routes->find(tuple);
  if (found == routes->end()) return nullptr;
  last_tuple = tuple;
  last_route = &found->second;
  return last_route;
}

/// What ICMP says is its stream's.
template <class Icmp> void tun_queue_state::pass_on(const Icmp& icmp, const sys::chunk& packet) {
  const auto found = routes->find(icmp.quoted);
  if (found == routes->end() || !found->second.stream)
    where->drop(packet, protocol::errc::icmp_ignored);
  else
    self->send(found->second.stream.handle(), icmp);
}

void tun_queue_state::stray(const protocol::segment_repr& header, sys::chunk&& packet) {
  if (header.flags == protocol::flag::syn && self->loop().behind() > syn_patience) {
    // The connection that an answer brings costs a hundred times as much; the SYN will be repeated.
    where->drop(packet, counter::syns_deferred);
    return;
  }
  inbound_segment in{header, std::move(packet)};
  auto what = acceptor->on_stray(header, in.payload(), self->now());
  answer(std::move(what), std::move(in));
}

void tun_queue_state::answer(protocol::stray_answer&& what, inbound_segment&& in) {
  if (auto* ignored = std::get_if<protocol::ignore_stray>(&what)) {
    if (ignored->reason) where->drop(in.packet, *ignored->reason);
  } else if (auto* answered = std::get_if<protocol::reply_stray>(&what)) {
    if (answered->reason) where->drop(in.packet, *answered->reason);
    if ((answered->header.flags & protocol::flag::rst) != 0 && self->now() < knows_all_at) return;
    if (answered->older_client) note_older(in.header);
    reply(answered->header);
  } else if (auto* refused = std::get_if<protocol::refuse_path>(&what)) {
    where->drop(in.packet, protocol::errc::path_ends_tcp);
    note_proxy(in.header.tuple);
    reply(refused->first, refused->hello);
    reply(refused->last);
  } else if (auto* full = std::get_if<protocol::refuse_session>(&what)) {
    where->drop(in.packet, counter::session_refused);
    reply(full->header);
  } else if (auto* native = std::get_if<protocol::accept_stream>(&what)) {
    adopt(std::move(*native), std::move(in));
  } else {
    adopt(std::get<protocol::accept_legacy>(what), std::move(in));
  }
}

void tun_queue_state::adopt(acceptance&& accepted, inbound_segment&& proof) {
  if (supervisors.empty()) { // not all shards are up yet, for some milliseconds
    if (early.size() < max_waiting) early.push_back({std::move(accepted), std::move(proof)});
    return;
  }
  const auto tunnel = served.find(proof.header.tuple.local.port);
  if (tunnel == served.end()) return; // the port is not served any more
  route r;
  r.since = self->now();
  r.waiting = true;
  // For a RST, if the stream is refused.
  r.snd_nxt = proof.header.ack;
  r.rcv_nxt = proof.header.end();
  const auto tuple = proof.header.tuple;
  adopt_stream request{tunnel->second.settings, tuple, std::move(accepted), std::move(proof),
                       caf::actor_cast<caf::actor>(self)};
  std::size_t shard = 0;
  if (const auto* legacy = std::get_if<protocol::accept_legacy>(&request.accepted)) {
    const auto& place = legacy->place;
    request.owner = place.owner;
    request.group = place.group;
    request.first = place.first;
    request.answers = place.answers;
    shard = group_registry::shard_of(place.owner);
  } else {
    // The session's shard follows from its id, so that no registry is needed.
    std::uint64_t id = 0;
    const auto& hello = std::get<protocol::accept_stream>(request.accepted).hello;
    std::memcpy(&id, hello.session.data(), sizeof id);
    shard = id % supervisors.size();
  }
  if (adopting++ == 0) deadlines.set(timer::sweep, r.since + adoption_time);
  auto& place = (*routes)[tuple];
  by_stream.erase(place.id);
  place = std::move(r);
  last_route = nullptr;
  self->send(supervisors[shard], std::move(request));
}

void tun_queue_state::note_proxy(const protocol::four_tuple& tuple) {
  const auto tunnel = served.find(tuple.local.port);
  if (tunnel == served.end()) return;
  protocol::opening_failure what;
  what.cause = protocol::opening_cause::path_ends_tcp;
  what.at_server = true;
  what.remote = tuple.remote;
  const auto& settings = tunnel->second.settings;
  where->health_of(settings)->remark(*settings, what, self->now());
}

void tun_queue_state::note_older(const protocol::segment_repr& syn) {
  const auto tunnel = served.find(syn.tuple.local.port);
  if (tunnel == served.end() || std::exchange(tunnel->second.told_of_older, true)) return;
  const auto& groups = where->process.groups;
  if (groups && groups->knocked(syn.tuple.local.port))
    log_warn("what looks like a client of tonel 0.6.1 or phantun, ", syn.tuple.remote,
             ", was refused at port ", syn.tuple.local.port,
             "; such clients are served with --accept native,legacy (in a file: accept = "
             "native,legacy)");
}

void tun_queue_state::add_stream(const stream_up& up) {
  auto& entry = *routes->try_emplace(up.tuple).first;
  auto& r = entry.second;
  last_route = nullptr;
  if (r.waiting) --adopting;
  r.waiting = false;
  r.local = up.local;
  if (r.id != up.stream.id()) { // stream_up may come twice; one monitor is enough
    if (r.id != 0) by_stream.erase(r.id);
    r.stream = {as<stream_actor>(up.stream), self->loop()};
    r.id = up.stream.id();
    by_stream[r.id] = &entry;
    self->monitor(up.stream);
  }
  // Segments that came after the hello, or before it, if another queue has read the hello.
  from_device waited;
  for (auto& held : acceptor->release(up.tuple)) {
    inbound_segment segment{held.segment, where->slabs.append(held.payload)};
    segment.header.payload_offset = 0;
    if (segment.packet.slab || held.payload.empty())
      waited.segments.push_back(std::move(segment));
    else
      where->stats.add(counter::slab_pool_empty);
  }
  if (!waited.segments.empty()) self->send(r.stream.handle(), std::move(waited));
  if (!up.local) return;
  for (std::size_t i = 0; i < queues.size(); ++i)
    if (i != where->index) self->send(queues[i], stream_up{up.tuple, up.stream, false});
}

void tun_queue_state::refuse(const protocol::four_tuple& tuple) {
  const auto found = routes->find(tuple);
  if (found == routes->end() || !found->second.waiting) return;
  --adopting;
  acceptor->release(tuple);
  reset(tuple, found->second);
  routes->erase(found);
  last_route = nullptr;
}

void tun_queue_state::stream_gone(const caf::down_msg& down) {
  const auto known = by_stream.find(down.source.id());
  if (known == by_stream.end()) return;
  const auto& [tuple, r] = *known->second;
  by_stream.erase(known);
  const bool failed = down.reason && r.written && down.reason != caf::exit_reason::user_shutdown;
  if (failed && r.local) {
    where->stats.add(counter::streams_failed);
    // A RST at once, so that the client replaces the stream within a round trip. A client's stream
    // is replaced by its session, whose new hello ends the old stream.
    if (where->process.settings.side == role::server) reset(tuple, r);
  }
  // Segments of this wake-up for the stream are lost with it.
  touched.erase(std::remove(touched.begin(), touched.end(), &r), touched.end());
  routes->erase(routes->find(tuple));
  last_route = nullptr;
}

void tun_queue_state::reset(const protocol::four_tuple& tuple, const route& r) {
  protocol::segment_header rst;
  rst.tuple = tuple;
  rst.seq = r.snd_nxt;
  rst.ack = r.rcv_nxt;
  rst.flags = protocol::flag::rst | protocol::flag::ack;
  reply(rst);
  flush_replies();
}

void tun_queue_state::write(to_device& batch) {
  if (batch.segments.empty()) return;
  const auto& last = batch.segments.back();
  // A legacy probe does not have its stream's sequence numbers.
  const bool probe =
      last.length == 0 && last.header.flags == protocol::flag::ack && last.header.ack.raw == 0;
  if (auto* r = probe ? nullptr : route_of(last.header.tuple); r != nullptr) {
    const bool fin = (last.header.flags & protocol::flag::fin) != 0;
    const auto end = last.header.seq + last.length + (fin ? 1u : 0u);
    // Keepalives and repeats lie before snd_nxt.
    if (!r->written || end > r->snd_nxt) r->snd_nxt = end;
    r->rcv_nxt = last.header.ack;
    r->written = true;
  }
  if (log_enabled(log_level::trace))
    for (const auto& segment : batch.segments)
      log_trace("out ", segment_text(segment.header, segment.length));
  const auto tally = where->tun.write(batch.segments, batch.chunks);
  where->stats.add(counter::tun_segments_out, tally.written);
  if (tally.dropped != 0) where->stats.add(counter::tun_write_dropped, tally.dropped);
  if (offload_was_on && !where->tun.offload()) {
    offload_was_on = false;
    log_warn("the kernel refuses segmentation offload on the TUN device; it is off from now on, "
             "which costs throughput");
  }
}

void tun_queue_state::reply(const protocol::segment_header& header, protocol::byte_view payload) {
  sys::outgoing_segment out;
  out.header = header;
  if (!payload.empty()) {
    auto chunk = where->slabs.append(payload);
    if (!chunk.slab)
      return where->stats.add(counter::slab_pool_empty); // it will be asked for again
    out.first = static_cast<std::uint32_t>(replies.chunks.size());
    out.count = 1;
    out.length = out.datagram_size = chunk.length;
    replies.chunks.push_back(std::move(chunk));
  }
  replies.segments.push_back(out);
}

void tun_queue_state::flush_replies() {
  if (replies.segments.empty()) return;
  write(replies);
  replies.segments.clear();
  replies.chunks.clear();
}

void tun_queue_state::on_timer() {
  const auto now = self->now();
  for (const auto& rst : acceptor->on_timer(now))
    reply(rst);
  for (auto& late : acceptor->answer_joins(now))
    answer(std::move(late.what), {late.to, {}});
  flush_replies();
  if (deadlines.due(timer::sweep, now)) {
    for (auto it = routes->begin(); it != routes->end();) {
      if (it->second.waiting && now - it->second.since >= adoption_time) {
        it = routes->erase(it);
        --adopting;
      } else {
        ++it;
      }
    }
    // One sweep for all routes that came since the first: early enough, and without a scan for
    // each.
    deadlines.set(timer::sweep, now + adoption_time);
    last_route = nullptr;
  }
  arm();
}

void tun_queue_state::arm() {
  deadlines.set(timer::acceptor, acceptor->deadline());
  if (adopting == 0) deadlines.clear(timer::sweep);
  self->arm(deadlines.next());
}

void tun_queue_state::set_peers(peers_changed& peers) {
  queues.clear();
  supervisors.clear();
  for (const auto& q : peers.queues)
    queues.push_back(as<tun_queue_actor>(q));
  for (const auto& s : peers.supervisors)
    supervisors.push_back(as<shard_supervisor_actor>(s));
  // A restarted queue of another shard does not know our streams.
  for (const auto& [tuple, r] : *routes) {
    if (!r.stream || !r.local) continue;
    for (std::size_t i = 0; i < queues.size(); ++i)
      if (i != where->index)
        self->send(queues[i],
                   stream_up{tuple, caf::actor_cast<caf::actor>(r.stream.handle()), false});
  }
  for (auto& each : std::exchange(early, {})) {
    const auto found = routes->find(each.proof.header.tuple);
    if (found == routes->end())
      adopt(std::move(each.accepted), std::move(each.proof));
    else if (!found->second.stream) // segments after it, before the stream was known
      hold(each.proof);
  }
}

} // namespace tonel::actors
