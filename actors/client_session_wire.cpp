#include "actors/client_session.hpp"
#include "actors/log.hpp"

#include <caf/send.hpp>

#include <chrono>
#include <utility>

// Which dialect a client's streams speak, and what follows for those of one session
// (docs/legacy.md).
namespace tonel::actors {

using protocol::profile;

namespace {

// A native SYN is repeated, so a second port is for paths that dislike the first. In the older
// dialects a port is one SYN, or 3 s.
constexpr unsigned native_ports = 2;
constexpr unsigned legacy_ports = 5;
// A host that has refused a SYN answers at once; a native server that starts meanwhile should not
// find us speaking an older dialect.
constexpr unsigned guess_ports = 2;
// Longer than a group's first connection takes to be found silent.
constexpr auto ask_interval = std::chrono::seconds{10};
// Each try on a path that ends TCP costs a handshake and what waits for it.
constexpr auto proxy_rest = std::chrono::seconds{10};

// A native server that starts again is back by then.
constexpr auto restart_time = std::chrono::seconds{5};
constexpr auto refused_by_native = "refused, by a server that was native (see --wire)";

const char* program_of(profile p) { return p == profile::phantun ? "phantun" : "tonel 0.6.1"; }

} // namespace

bool client_session_state::is_automatic() const {
  return given.tunnel->wire == wire_choice::automatic;
}

unsigned client_session_state::ports_to_try(profile of) const {
  if (of == profile::native) return native_ports;
  return guessing ? guess_ports : legacy_ports;
}

void client_session_state::choose_wire() {
  no_groups = false;
  leader = token = 0;
  const auto before = wire;
  switch (given.tunnel->wire) {
  case wire_choice::native: wire = profile::native; break;
  case wire_choice::tonel: wire = profile::tonel; break;
  case wire_choice::phantun: wire = profile::phantun; break;
  case wire_choice::automatic:
    if (guessing)
      wire = profile::legacy;
    else
      wire = given.where->process.dialects->legacy(*given.remote, self->now())
                 .value_or(profile::native);
    break;
  }
  if (wire != before) announce(); // how long datagrams may wait
}

bool client_session_state::single() const {
  return wire != profile::native && (wire == profile::phantun || no_groups);
}

/// The next stream tells what the remote is, or opens a group.
bool client_session_state::decides_for_all() const {
  if (wire == profile::native)
    return is_automatic() && !given.where->process.dialects->was_native(*given.remote);
  return single() || token == 0;
}

bool client_session_state::must_wait() const {
  if (!decides_for_all()) return false;
  if (pioneer != 0) return true;
  if (!single()) return false;
  for (const auto& s : slots)
    for (const auto* m : {&s.current, &s.next})
      if (*m && m->generation == generation) return true;
  return false;
}

/// The connection that holds the group open at the server still answers.
bool client_session_state::group_is_well() const {
  for (const auto& s : slots)
    if (s.current.id == leader && leader != 0) return s.open && !s.silent;
  return false;
}

/// What is opened now keeps the upstream's port.
bool client_session_state::can_join() const { return token != 0 && group_is_well(); }

void client_session_state::stream_over(caf::actor_id stream) {
  if (stream == pioneer) pioneer = 0;
  if (stream == leader) leader = token = 0;
}

/// A join that failed may mean that the server has lost the group. As long as the group's first
/// connection answers it means no such thing, and a new group would only cost the upstream's port.
void client_session_state::leave_group(const member& failed) {
  if (!failed.joins || token == 0) return;
  if (!group_is_well()) {
    leader = token = 0;
  } else if (const auto now = self->now(); !leader_asked || now - *leader_asked >= ask_interval) {
    leader_asked = now;
    if (const auto first = alive.find(leader); first != alive.end())
      self->send(first->second, probe_stream{});
  }
}

void client_session_state::legacy_opened(const member& m, const stream_event& event) {
  const auto& process = given.where->process;
  wire = event.wire;
  if (std::exchange(guessing, false) && process.dialects->saw_legacy(m.remote, wire, self->now()))
    log_info("the server at ", m.remote, " speaks the dialect of ", program_of(wire));
  if (event.stream != pioneer) return;
  token = event.token;
  leader = token != 0 ? event.stream : 0;
  leader_asked.reset();
  no_groups = token == 0;
  if (no_groups && slots.size() > 1 && process.dialects->remark(m.remote))
    log_warn("the server at ", m.remote,
             " knows no groups of connections: each session has one, not ", slots.size());
}

/// The pioneer is through: those that waited for it, and those of an older group, come after it.
void client_session_state::follow(const slot& pioneers) {
  for (auto& s : slots) {
    if (&s == &pioneers) continue;
    const bool old = s.current && s.current.generation != generation;
    if (single()) {
      if (old) {
        self->send(s.current.stream, supersede_stream{});
        s.current = {};
        s.open = false;
      }
      drop_rivals(s);
      if (s.next) self->send(std::exchange(s.next, {}).stream, reset_stream{});
    } else if (s.waits() || (old && !s.next)) {
      open(s);
    }
  }
  announce();
}

void client_session_state::found_legacy(slot& s, const stream_event& event) {
  const auto m = std::exchange(s.next, {}); // it ends by itself
  auto& dialects = *given.where->process.dialects;
  if (closing) return;
  if (!is_automatic()) {
    if (dialects.remark(m.remote))
      log_warn("the server at ", m.remote, " speaks the dialect of ", program_of(event.wire),
               ", which --wire native excludes");
    obstacle = "it speaks an older dialect";
    return retry(s);
  }
  if (dialects.saw_legacy(m.remote, event.wire, self->now()))
    log_info("the server at ", m.remote, " speaks the dialect of ", program_of(event.wire));
  wire = event.wire; // in place of native streams that may still seem alive
  announce();
  open(s);
}

/// Octets pass, datagrams would be merged and cut: none is sent that way.
void client_session_state::on_proxied_path(slot& s, const member& m) {
  auto& dialects = *given.where->process.dialects;
  dialects.saw_native(m.remote); // its hello was read
  if (dialects.saw_proxy(m.remote, self->now()))
    log_warn(
        "something on the way to ", m.remote,
        " ends TCP connections (a proxy such as HAProxy or nginx, or the provider's): datagrams "
        "would be merged and cut, so none is sent. Use another port or path, or a load balancer "
        "that forwards packets (nftables, IPVS)");
  obstacle = "something on the way ends TCP connections";
  if (has_stream()) return give_up(s); // the others may go another way
  for (auto& each : slots) {
    each.wanted = false;
    each.retry_at.reset();
  }
  rests_until = self->now() + proxy_rest;
}

/// SYNs were refused, or had no answer on any port.
void client_session_state::not_answered(slot& s, const member& m, protocol::end_reason why) {
  leave_group(m);
  auto& dialects = *given.where->process.dialects;
  if (is_automatic()) {
    // phantun refuses a native SYN, and so does a host on which no server runs just now. One that
    // was native in our time is taken for the latter.
    if (m.wire == profile::native && why == protocol::end_reason::refused && !has_stream() &&
        !dialects.was_native(m.remote)) {
      guessing = true;
      return open(s);
    }
    if (m.wire == profile::native && why == protocol::end_reason::refused &&
        dialects.was_native(m.remote)) {
      obstacle = refused_by_native;
      if (s.trying_since && self->now() - *s.trying_since >= restart_time &&
          dialects.refused_for_long(m.remote))
        log_warn("the server at ", m.remote,
                 " refuses the native dialect, which it spoke before, and no other is tried by "
                 "itself: if phantun has taken its place, --wire phantun is needed");
    }
    if (m.wire != profile::native && !m.joins) {
      guessing = false;
      dialects.forget_legacy(m.remote);
    }
  }
  retry(s);
}

} // namespace tonel::actors
