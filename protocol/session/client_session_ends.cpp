#include "protocol/session/client_session.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

// Where its streams begin at this end: ports, and where the host's own addresses are used, which of them. A
// stream keeps its address; when packets to its remote leave from another one, a stream from there takes its
// place, and the server knows the session again.
namespace tonel::protocol {

using namespace std::chrono_literals;

namespace {

/// How long before a stream's deadline its replacement is opened: time for the handshake, and for
/// the 3 s in which the old stream is still read.
duration renewal_lead(std::chrono::seconds deadline) {
  return std::min<duration>(5s, deadline / 2);
}

} // namespace

client_session::member client_session::connect(const slot& s, unsigned port, const endpoint& to) {
  open_stream out;
  if (s.attempts) out.race = s.attempts->shared;
  auto end = from_.take_local_end(to);
  if (!end.port) {
    lacked_ = end.why;
    return {};
  }
  out.port = std::move(end.port);
  out.stream = ++latest_;
  member m;
  if (config_.deadline.count() != 0) {
    m.ends_at = now_ + config_.deadline;
    out.ages_at = *m.ends_at - renewal_lead(config_.deadline);
  }
  auto& machine = out.config;
  machine.tuple.local = {end.address, *out.port};
  machine.tuple.remote = to;
  machine.session = claims_.next();
  machine.stream_index = static_cast<std::uint8_t>(&s - slots_.data());
  machine.stream_count = static_cast<std::uint8_t>(slots_.size());
  machine.last_port = port >= ports_to_try(wire_);
  machine.first_port = port == 1;
  machine.wire = wire_;
  if (wire_ == profile::native) machine.fellows = fellows_;
  // Always: a legacy server would take the native hello for a datagram.
  machine.detect_legacy = true;
  machine.key_mark = config_.key_mark;
  machine.join_token = token_;
  machine.idle_timeout = config_.idle_timeout;
  m.stream = out.stream;
  m.remote = to;
  m.wire = wire_;
  m.port = port;
  m.generation = generation_;
  m.joins = token_ != 0;
  m.since = now_;
  m.hello = machine.session.counter;
  m.home = home_;
  m.introduced = machine.session.introduces;
  alive_.push_back(m.stream);
  out_.emplace_back(std::move(out));
  return m;
}

/// A stream could not be made, as it would have begun nowhere.
void client_session::no_end(slot& s) {
  s.attempts.reset();
  if (lacked_ == opening_cause::no_route)
    missed(*remote_); // another of its addresses may have one
  else
    out_.emplace_back(count_refused{});
  attempt_failed(lacked_);
  retry(s);
}

client_effects client_session::readdressed(const std::vector<stream_number>& left, time_point now) {
  now_ = now;
  const auto is_left = [&](const member& m) {
    return m && std::find(left.begin(), left.end(), m.stream) != left.end();
  };
  const auto is_aging = [&](const slot& s) {
    return s.current.ends_at && *s.current.ends_at - renewal_lead(config_.deadline) <= now_;
  };
  std::vector<slot*> movers;
  bool some_left = false;
  for (auto& s : slots_) {
    s.current.left = is_left(s.current);
    const bool attempts_left =
        is_left(s.next) ||
        (s.attempts && std::any_of(s.attempts->rivals.begin(), s.attempts->rivals.end(), is_left));
    some_left = some_left || s.current.left || attempts_left;
    if (attempts_left) leave_address(s);
    const bool was_replaced = attempts_left && (!is_well(s) || is_aging(s));
    if (s.current.left || was_replaced || (s.wanted && s.retry_at)) movers.push_back(&s);
  }
  if (closing_ || rests_until_ || !remote_) return done();
  if (some_left && wire_ != profile::native) {
    // A group is of one address. The streams that have not moved wait for the first of the next one.
    ++generation_;
    pioneer_ = 0;
    choose_wire();
  }
  for (auto* s : movers) {
    s->trying_since.reset();
    s->wait.reset();
    s->given_up_at.reset();
    if (!s->next) try_now(*s);
  }
  return done();
}

/// Ends the attempts, all of them.
void client_session::leave_address(slot& s) {
  drop_rivals(s);
  const auto next = std::exchange(s.next, {});
  if (!next) return;
  tell(next, stream_order::reset);
  stream_over(next.stream);
}

} // namespace tonel::protocol
