#include "protocol/session/client_session.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

// Chooses the dialect of a client's streams, with the consequences for the other streams of the
// session (docs/legacy.md).
namespace tonel::protocol {

namespace {

// Ports to try before giving up. A native SYN is repeated, so a second port only serves paths that
// dislike the first. In the legacy dialects a port is tried with one SYN, or for 3 s.
constexpr unsigned native_ports = 2;
constexpr unsigned legacy_ports = 5;
// Few ports where the dialect is guessed: a host that has refused a SYN answers at once, and a
// native server that starts meanwhile should not meet a legacy dialect.
constexpr unsigned guess_ports = 2;
// Probes of a group's leader: longer apart than it takes to find the leader silent.
constexpr auto ask_interval = std::chrono::seconds{10};
// Wait after a path that ends TCP: each try costs a handshake and the datagrams that wait for it.
constexpr auto proxy_rest = std::chrono::seconds{10};

session_remark about(session_remark::kind what, const endpoint& remote,
                     profile wire = profile::native) {
  session_remark out;
  out.what = what;
  out.remote = remote;
  out.wire = wire;
  return out;
}

} // namespace

unsigned client_session::ports_to_try(profile of) const {
  if (of == profile::native) return native_ports;
  return guessing_ ? guess_ports : legacy_ports;
}

void client_session::choose_wire() {
  no_groups_ = false;
  leader_ = token_ = 0;
  const auto before = wire_;
  if (config_.wire)
    wire_ = *config_.wire;
  else if (guessing_)
    wire_ = profile::legacy;
  else
    wire_ = from_.remotes().legacy(*remote_, now_).value_or(profile::native);
  if (wire_ != before) announce(); // the dialect decides how long datagrams may wait
}

bool client_session::single() const {
  return wire_ != profile::native && (wire_ == profile::phantun || no_groups_);
}

/// The next stream finds out the remote's dialect, or opens a group: the others wait for it.
bool client_session::decides_for_all() const {
  if (wire_ == profile::native)
    return chooses() || (is_automatic() && !from_.remotes().was_native(*remote_));
  return single() || token_ == 0;
}

bool client_session::must_wait() const {
  if (!decides_for_all()) return false;
  if (pioneer_ != 0) return true;
  if (!single()) return false;
  for (const auto& s : slots_)
    for (const auto* m : {&s.current, &s.next})
      if (*m && m->generation == generation_) return true;
  return false;
}

/// The stream that holds the group open at the server still answers.
bool client_session::group_is_well() const {
  for (const auto& s : slots_)
    if (s.current.stream == leader_ && leader_ != 0) return s.open && !s.silent;
  return false;
}

/// A stream opened now joins the group, and so keeps the port at the upstream.
bool client_session::can_join() const { return token_ != 0 && group_is_well(); }

void client_session::stream_over(stream_number stream) {
  if (stream == pioneer_) pioneer_ = 0;
  if (stream == leader_) leader_ = token_ = 0;
}

/// Leaves the group after a join that failed, unless the leader still answers: then the server has
/// the group, and a new one would only cost the port at the upstream.
void client_session::leave_group(const member& failed) {
  if (!failed.joins || token_ == 0) return;
  if (!group_is_well()) {
    leader_ = token_ = 0;
  } else if (!leader_asked_ || now_ - *leader_asked_ >= ask_interval) {
    leader_asked_ = now_;
    if (std::find(alive_.begin(), alive_.end(), leader_) != alive_.end())
      out_.emplace_back(tell_stream{leader_, stream_order::probe});
  }
}

void client_session::legacy_opened(const member& m, const stream_report& report) {
  auto& remotes = from_.remotes();
  reached(m.remote);
  wire_ = report.wire;
  if (std::exchange(guessing_, false) && remotes.saw_legacy(m.remote, wire_, now_))
    remark(about(session_remark::kind::older_server, m.remote, wire_));
  if (report.stream != pioneer_) return;
  token_ = report.token;
  leader_ = token_ != 0 ? report.stream : 0;
  leader_asked_.reset();
  no_groups_ = token_ == 0;
  if (no_groups_ && slots_.size() > 1 && remotes.remark(m.remote)) {
    auto say = about(session_remark::kind::no_groups, m.remote);
    say.size = static_cast<std::uint32_t>(slots_.size());
    remark(say);
  }
}

/// The pioneer is open: opens the streams that waited for it, and replaces those of earlier groups.
void client_session::follow(const slot& pioneers) {
  for (auto& s : slots_) {
    if (&s == &pioneers) continue;
    const bool old = s.current && s.current.generation != generation_;
    if (single()) {
      if (old) {
        tell(s.current, stream_order::supersede);
        s.current = {};
        s.open = false;
      }
      drop_rivals(s);
      if (s.next) tell(std::exchange(s.next, {}), stream_order::reset);
    } else if (s.waits() || (old && (!s.next || s.next.generation != generation_))) {
      if (s.next) tell(std::exchange(s.next, {}), stream_order::reset);
      open(s);
    }
  }
  announce();
}

void client_session::found_legacy(slot& s, const stream_report& report) {
  const auto m = std::exchange(s.next, {}); // the stream ends by itself
  auto& remotes = from_.remotes();
  if (closing_) return;
  if (!is_automatic()) {
    evidence().wire = report.wire;
    attempt_failed(opening_cause::older_dialect, true);
    return retry(s);
  }
  if (remotes.saw_legacy(m.remote, report.wire, now_))
    remark(about(session_remark::kind::older_server, m.remote, report.wire));
  wire_ = report.wire; // even if native streams still seem alive
  announce();
  open(s);
}

/// The path carries octets, but would merge and cut datagrams: none is sent on it.
void client_session::on_proxied_path(slot& s, const member& m) {
  from_.remotes().saw_native(m.remote); // its hello was read
  missed(m.remote);
  if (has_stream()) return give_up(s); // the others may go another way
  for (auto& each : slots_) {
    each.wanted = false;
    each.retry_at.reset();
  }
  rests_until_ = now_ + proxy_rest;
}

/// SYNs were refused, or went unanswered on every port.
void client_session::not_answered(slot& s, const member& m, end_reason why) {
  leave_group(m);
  auto& remotes = from_.remotes();
  if (is_automatic()) {
    // phantun refuses a native SYN, and so does a host without a running server. A remote that this
    // process has known as native is taken for the latter.
    if (m.wire == profile::native && why == end_reason::refused && !has_stream() &&
        !remotes.was_native(m.remote)) {
      guessing_ = true;
      remote_ = m.remote;
      try_next_ = false;
      return open(s);
    }
    if (m.wire != profile::native && !m.joins) {
      guessing_ = false;
      remotes.forget_legacy(m.remote);
    }
  }
  s.refused = why == end_reason::refused;
  if (!m.joins) missed(m.remote);
  retry(s);
}

} // namespace tonel::protocol
