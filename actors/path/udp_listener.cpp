#include "actors/path/udp_listener.hpp"

#include "actors/path/udp_output.hpp"
#include "actors/runtime/behavior_of.hpp"
#include "protocol/run.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

namespace tonel::actors {

namespace {

// The most datagrams to read in one wake-up; merged ones count each.
constexpr std::size_t max_datagrams = 512;
// Octets that a waiting datagram counts besides its own, so that empty ones are limited, too.
constexpr std::size_t bookkeeping = 64;
// The most sessions to begin in one wake-up, so that the work for them does not delay other
// datagrams. A tick of the timers wakes the shard for more; and for each session that opens two
// more begin.
constexpr std::size_t begun_in_a_pass = 8;
constexpr std::size_t begun_in_a_tick = 96;
constexpr std::size_t begun_for_one_open = 2;
constexpr auto tick = std::chrono::milliseconds{10};
// No session is begun while the shard is behind by more than this.
constexpr auto most_behind = std::chrono::milliseconds{2};
// No session is begun for a datagram that has waited longer: its sender will have given up when the
// answer comes, and there are younger ones.
constexpr auto begin_within = std::chrono::milliseconds{200};
// With this many sessions opening, those whose datagrams have all waited too long are given up.
constexpr std::size_t many_opening = 256;

} // namespace

caf::behavior udp_listener(pinned<udp_listener_state>* self, const udp_listener_start& start) {
  self->state.start(start);
  return behavior_of<udp_listener_actor, own<fd_event, timer_event>>(
      [self](const fd_event& ready) { self->state.on(ready); },
      [self](timer_event) { self->state.on_timer(); },
      [self](wire_to_app& batch) { self->state.on(batch); },
      [self](const session_changed& changed) { self->state.session(changed); },
      [self](streams_changed& changed) { self->state.streams(changed); });
}

void udp_listener_state::start(const udp_listener_start& s) {
  given = s;
  where = s.where;
  supervisor = as<shard_supervisor_actor>(s.supervisor);
  peers = std::make_unique<peer_map>(0, path_hash{where->process.hash});
  watch = self->watch(s.socket->fd(), s.socket);
  health = where->health_of(s.tunnel);
}

udp_listener_state::~udp_listener_state() {
  if (!peers) return;
  // Other tunnels may use the octets that waited here.
  for (const auto& [path, p] : *peers) {
    given.bounds->pending_total -= p.pending_bytes;
    where->stats.add(counter::pending_dropped, p.pending.size());
  }
}

void udp_listener_state::read() {
  received.clear();
  const auto state = given.socket->receive(where->slabs, received, max_datagrams);
  if (!state) throw std::runtime_error(state.error().to_string());
  // Before slabs of this wake-up return: the first one to return starts the reader again.
  if (*state == sys::read_state::no_slab) {
    where->stats.add(counter::slab_pool_empty);
    where->gate.pause(watch);
  }
  for (auto& datagrams : received)
    take(datagrams);
  received.clear();
  if (!unopened.empty()) open_some(begun_in_a_pass);
  for (auto* entry : touched) {
    auto& p = entry->second;
    p.queued = false;
    forward(p);
  }
  touched.clear();
}

void udp_listener_state::take(sys::received_datagrams& datagrams) {
  const auto count = protocol::datagrams_in(datagrams.bytes.length, datagrams.bytes.datagram_size);
  where->stats.add(counter::datagrams_in, count);
  self->loop().found(count);
  where->stats.add(counter::datagram_bytes_in, datagrams.bytes.length);
  // Most bursts, and even two in a row, are of one peer.
  auto* entry = last_entry != nullptr && last_entry->first == datagrams.path ? last_entry : nullptr;
  if (entry == nullptr) {
    auto found = peers->find(datagrams.path);
    if (found == peers->end() && !health->has_turn(self->now())) {
      // While nobody answers, new sessions would do what those there are do already.
      where->stats.add(counter::pending_dropped, count);
      return;
    }
    if (found == peers->end()) found = admit(datagrams.path);
    if (found == peers->end()) {
      where->stats.add(counter::session_refused);
      return;
    }
    entry = last_entry = &*found;
  }
  auto& p = entry->second;
  if (p.holds()) {
    hold(*entry, datagrams.bytes);
    return;
  }
  if (!p.queued) {
    p.queued = true;
    touched.push_back(entry);
    where->spare_chunks.lend(p.inbound);
  }
  p.inbound.push_back(std::move(datagrams.bytes));
}

bool udp_listener_state::displace(bool one_shot_alone) {
  auto& order = given.bounds->order;
  const auto first = order.first();
  if (!first || (one_shot_alone && first->worth != leave_order::merit::one_shot)) return false;
  order.remove(first->session);
  given.bounds->sessions.expect_leave();
  self->send(supervisor, displace_session{first->session});
  return true;
}

session_limits::place udp_listener_state::place_for(const protocol::ip_address& application) {
  auto& sessions = given.bounds->sessions;
  if (where->ports.free() == 0) {
    where->limit_reached(refusal::ports, application, false);
    return {};
  }
  // Ended streams keep their ports for some seconds, so room is made before none is left.
  if (where->ports.below(4)) displace(!where->ports.below(16));
  auto place = sessions.admit(application, self->now());
  if (place) return place;
  const bool displaced = place.why() == refusal::all && displace(false);
  where->limit_reached(place.why(), application, displaced);
  return displaced ? sessions.admit(application, self->now()) : std::move(place);
}

udp_listener_state::peer_map::iterator udp_listener_state::admit(const sys::datagram_path& path) {
  auto place = place_for(path.peer.address);
  if (!place) return peers->end();
  const auto added = peers->try_emplace(path).first;
  added->second.place = std::make_shared<session_limits::place>(std::move(place));
  added->second.asked = true;
  unopened.push_back(path);
  return added;
}

void udp_listener_state::open_some(std::size_t most) {
  const auto now = self->now();
  if (self->loop().behind() > most_behind) most = 0;
  // The newest first: if not all can be made, those that are have not waited long.
  for (; most > 0 && !unopened.empty(); --most) {
    const auto path = unopened.back();
    unopened.pop_back();
    const auto found = peers->find(path);
    if (found != peers->end())
      self->send(supervisor, open_session{given.tunnel, path, found->second.place});
  }
  while (!unopened.empty()) {
    const auto oldest = peers->find(unopened.front());
    if (oldest != peers->end()) {
      const auto& p = oldest->second;
      if (!p.pending.empty() && now - p.pending.front().since < begin_within) break;
      where->stats.add(counter::session_refused);
      where->limit_reached(refusal::load, oldest->first.peer.address, false);
      give_up(oldest);
    }
    unopened.pop_front();
  }
  arm();
}

void udp_listener_state::give_up(peer_map::iterator entry) {
  auto& p = entry->second;
  if (!p.pending.empty()) due.erase({due_time(p), &*entry});
  while (!p.pending.empty())
    drop_oldest(p);
  peers->erase(entry);
  last_entry = nullptr;
}

void udp_listener_state::arm() {
  std::optional<protocol::time_point> at;
  if (!due.empty()) at = due.begin()->first;
  if (const auto next = self->now() + tick; !unopened.empty() && (!at || next < *at)) at = next;
  self->arm(at);
}

void udp_listener_state::waiting_line::pop_front() {
  all_[gone_++].octets = {};
  if (gone_ == all_.size()) {
    all_ = {};
    gone_ = 0;
  } else if (gone_ * 2 >= all_.size()) { // for a line that never becomes empty
    all_.erase(all_.begin(), all_.begin() + static_cast<std::ptrdiff_t>(gone_));
    gone_ = 0;
  }
}

protocol::time_point udp_listener_state::due_time(const peer& p) const noexcept {
  const auto& bounds = where->process.settings.bounds;
  return p.pending.front().since + (p.older ? bounds.pending_age_older : bounds.pending_age);
}

void udp_listener_state::hold(peer_entry& entry, const sys::chunk& datagrams) {
  auto& p = entry.second;
  const bool first = p.pending.empty();
  const auto& bounds = where->process.settings.bounds;
  const auto total = where->share(bounds.pending_total_bytes);
  const auto count = protocol::datagrams_in(datagrams.length, datagrams.datagram_size);
  const auto bytes = datagrams.bytes();
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto from = std::size_t{i} * datagrams.datagram_size;
    const auto size = std::min<std::size_t>(datagrams.datagram_size, datagrams.length - from);
    const auto cost = size + bookkeeping;
    if (p.pending_bytes + cost > bounds.pending_bytes ||
        given.bounds->pending_total + cost > total) {
      where->stats.add(counter::pending_dropped, count - i);
      break;
    }
    const auto datagram = bytes.subview(from, size);
    p.pending.push_back({self->now(), {datagram.begin(), datagram.end()}});
    p.pending_bytes += cost;
    given.bounds->pending_total += cost;
  }
  if (!p.asked && p.session) {
    p.asked = true;
    self->send(p.session, stream_wanted{});
  }
  if (!first || p.pending.empty()) return;
  due.emplace(due_time(p), &entry);
  if (due.size() == 1) arm();
}

void udp_listener_state::forward(peer& p) {
  if (p.inbound.empty()) return;
  // The whole batch goes to one stream, so that runs stay whole and in order.
  auto& to = p.streams[p.next++ % p.streams.size()];
  app_to_wire batch{std::exchange(p.inbound, {})};
  to.put(*self, batch);
  where->spare_chunks.take_back(batch.chunks);
}

void udp_listener_state::flush_pending(peer_entry& entry, std::size_t room) {
  auto& p = entry.second;
  if (p.pending.empty()) return;
  due.erase({due_time(p), &entry});
  std::size_t sent = 0;
  while (!p.pending.empty()) {
    const auto& oldest = p.pending.front();
    const auto size = oldest.octets.size();
    if (room != 0 && sent + size > room) break;
    sent += size;
    auto chunk = where->slabs.append(oldest.octets);
    if (chunk.slab || oldest.octets.empty())
      p.inbound.push_back(std::move(chunk));
    else
      where->stats.add(counter::pending_dropped);
    forget_oldest(p);
  }
  if (!p.pending.empty()) due.emplace(due_time(p), &entry);
  arm();
  forward(p);
}

void udp_listener_state::forget_oldest(peer& p) {
  const auto cost = p.pending.front().octets.size() + bookkeeping;
  p.pending_bytes -= cost;
  given.bounds->pending_total -= cost;
  p.pending.pop_front();
}

void udp_listener_state::session(const session_changed& changed) {
  if (!changed.session) given.bounds->order.remove(changed.ended);
  auto found = peers->find(changed.path);
  if (found == peers->end() && changed.place) {
    found = peers->try_emplace(changed.path).first;
    found->second.place = changed.place;
  }
  if (found == peers->end()) return;
  auto& p = found->second;
  if (changed.session) {
    p.session = as<client_session_actor>(changed.session);
    p.session_id = changed.session.id();
  } else if (p.session_id ==
             changed.ended) { // not a younger session, even if its id is unknown yet
    give_up(found);
  }
}

void udp_listener_state::streams(streams_changed& changed) {
  const auto found = peers->find(changed.path);
  if (found == peers->end()) return;
  auto& p = found->second;
  if (p.session_id != changed.session) return;
  if (p.older != changed.older) {
    if (!p.pending.empty()) due.erase({due_time(p), &*found});
    p.older = changed.older;
    if (!p.pending.empty()) due.emplace(due_time(p), &*found);
    arm();
  }
  p.streams.clear();
  for (const auto& s : changed.streams)
    p.streams.emplace_back(as<stream_actor>(s), self->loop());
  if (p.streams.empty()) {
    p.asked = p.early = false;
    return;
  }
  if (!unopened.empty() && !p.place->has_opened()) open_some(begun_for_one_open);
  p.place->opened();
  const bool early = changed.room != 0;
  if (!early || !std::exchange(p.early, true)) flush_pending(*found, changed.room);
}

void udp_listener_state::drop_oldest(peer& p) {
  where->stats.add(counter::pending_dropped);
  forget_oldest(p);
}

void udp_listener_state::on_timer() {
  const auto now = self->now();
  while (!due.empty() && due.begin()->first <= now) {
    auto* entry = due.begin()->second;
    auto& p = entry->second;
    due.erase(due.begin());
    while (!p.pending.empty() && due_time(p) <= now)
      drop_oldest(p);
    if (!p.pending.empty())
      due.emplace(due_time(p), entry);
    else if (p.session && !p.place->has_opened() &&
             given.bounds->sessions.opening() >= many_opening)
      self->send(p.session, close_session{false, true});
  }
  open_some(begun_in_a_tick);
}

void udp_listener_state::send(wire_to_app& batch) {
  send_datagrams(*where, *given.socket, batch, runs);
}

} // namespace tonel::actors
