#include "protocol/session/client_session.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

// Behind one address there may be several servers: a balancer leads each connection to one of them, by its
// ports. Another one than the session's refuses a hello that joins. To be introduced there would be a hop,
// which gives the upstream another peer: so other ports are tried, and a hop is the last resort.
namespace tonel::protocol {

using namespace std::chrono_literals;

namespace {

// As long as the session is carried otherwise: of two servers 32 ports meet the right one but once in four
// thousand million times, of ten in 97 of 100 times. The first follow each other at once.
constexpr unsigned hasty_joins = 8, most_joins = 32;
constexpr duration join_wait = 100ms;
constexpr duration rare_join_wait = 60s;
// While nothing carries the session, datagrams wait for it.
constexpr unsigned joins_in_need = 3;

} // namespace

/// Its stream carries datagrams, and its server has the session.
bool client_session::is_well(const slot& s) const {
  return s.open && s.current && s.current.greeted && !s.silent;
}

/// What is being opened in its place may be at another server, without need.
bool client_session::hops(const slot& s) const {
  if (!s.current || !s.next || strays(s)) return false;
  const auto leaves = [&s](const member& m) {
    return !(m.remote == s.current.remote) || m.home != s.current.home;
  };
  return leaves(s.next) ||
         (s.attempts && std::any_of(s.attempts->rivals.begin(), s.attempts->rivals.end(), leaves));
}

/// True: a join was refused, and another is tried by another port in place of an introduction.
bool client_session::try_elsewhere(slot& s, const member& refused) {
  if (refused.wire != profile::native || refused.introduced || refused.greeted || strays(s))
    return false;
  const auto well = std::find_if(slots_.begin(), slots_.end(),
                                 [this](const slot& each) { return is_well(each); });
  const bool carried = well != slots_.end();
  const bool here = s.current && s.current.remote == refused.remote;
  if (!carried && ((!here && !resumes_) || s.elsewhere + 1 >= joins_in_need)) {
    if (!resumes_) return false;
    // No server has it: what was remembered is of no use to another one.
    resumes_ = false;
    claims_ = from_.draw_claims();
  }
  ++s.elsewhere;
  if (carried) {
    remote_ = well->current.remote;
    // A server that has lost the session answers them by RST, which proves it.
    if (s.elsewhere == 1)
      for (const auto& each : slots_)
        if (is_well(each)) tell(each.current, stream_order::probe);
  }
  s.trying_since.reset();
  s.wait.reset();
  s.wanted = true;
  s.retry_at = now_ + (s.elsewhere < hasty_joins  ? 0s
                       : s.elsewhere < most_joins ? join_wait
                                                  : rare_join_wait);
  return true;
}

/// It has refused what joins, or ended a stream: it knows nothing of the session, or is another one.
void client_session::doubt_server(const member& m) {
  const bool trusted = !claims_.introduces();
  claims_.was_reset(m.hello, m.greeted);
  if (trusted && claims_.introduces()) ++home_;
}

/// The stream in use has turned out to be well: what was to take its place is given up.
void client_session::stay(slot& s) {
  drop_rivals(s);
  const auto left = std::exchange(s.next, {});
  // By FIN: that server has been introduced to a session which it is not going to have.
  tell(left, left.opened ? stream_order::close : stream_order::reset);
  stream_over(left.stream);
  remote_ = s.current.remote;
  home_ = s.current.home;
  generation_ = s.current.generation;
  for (auto& each : slots_)
    if (each.waits()) open(each);
}

/// It has been replaced by now, unless no port has led to its server: then it is kept as long as it works.
void client_session::on_end_of_life(slot& s) {
  s.current.ends_at.reset();
  if (s.elsewhere != 0 && is_well(s)) return;
  tell(s.current, stream_order::reset);
}

client_effects client_session::leave(time_point now) {
  now_ = now;
  for (const auto& s : slots_)
    if (s.current) tell(s.current, stream_order::reset);
  end(true, session_end::asked); // what has been reset is not waited for
  return done();
}

} // namespace tonel::protocol
