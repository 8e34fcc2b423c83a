#include "protocol/session/client_session.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

// Several attempts at once to open one stream, each on a port of its own (RFC 8305 does so with
// addresses): a lost SYN costs a quarter of a second only, and where paths differ by port, one that
// works is found. The first SYN-ACK decides; only its stream sends a hello.
namespace tonel::protocol {

using namespace std::chrono_literals;

namespace {

/// The wait before the second attempt; it doubles with each further one.
constexpr duration first_wait = 250ms;
constexpr unsigned most_doublings = 5;
/// The most attempts at a time.
constexpr std::size_t most_attempts = 4;

} // namespace

/// The remote answers other streams of this session, so the fault is in one port's path.
bool client_session::remote_answers() const {
  return std::any_of(slots_.begin(), slots_.end(), [this](const slot& s) {
    return s.open && s.current && !s.silent && s.current.remote == *remote_;
  });
}

void client_session::start_race(slot& s) {
  if (!s.attempts) return;
  s.attempts->at = now_ + first_wait;
  s.attempts->since = now_;
  s.attempts->addresses = {addresses_to_race(), *remote_, now_};
  // Only this stream has fallen silent, and the next port may be as bad: try several at once.
  if (s.silent && remote_answers())
    while (s.attempts->rivals.size() + 1 < most_attempts && add_rival(s, *remote_)) {
    }
}

void client_session::join_race(slot& s) {
  auto& r = *s.attempts;
  if (!remote_answers()) {
    if (heed_refusal(s)) return;
    tell_unanswered(r, s.next);
    if (r.addresses.deadline()) {
      if (const auto to = r.addresses.next(now_)) add_rival(s, *to);
      r.at = r.addresses.deadline().value_or(now_ + first_wait);
      return;
    }
  }
  r.at = now_ + first_wait * (1 << std::min(++r.rounds, most_doublings));
  if (r.heed_at) r.at = std::min(*r.at, *r.heed_at);
  if (!remote_answers()) {
    // The remote may be down: no more than a few attempts.
    if (r.rivals.size() + 1 < std::max(most_attempts, r.addresses.size()))
      add_rival(s, r.addresses.again());
    else if (!r.refused)
      r.at.reset();
    return;
  }
  // Ports without an answer are given up for others; the oldest stays, since round trips may be
  // long.
  if (r.rivals.size() + 1 >= most_attempts) {
    for (const auto& m : r.rivals)
      tell(m, stream_order::reset);
    r.rivals.clear();
  }
  while (r.rivals.size() + 1 < most_attempts && add_rival(s, *remote_)) {
  }
}

bool client_session::add_rival(slot& s, const endpoint& to) {
  if (!from_.may_race(now_)) return false;
  const auto m = connect(s, s.next.port, to);
  if (!m) return false;
  s.attempts->rivals.push_back(m);
  return true;
}

/// `winner` was answered first: it becomes `next`, and the others end without sending anything.
void client_session::settle(slot& s, stream_number winner) {
  if (!s.attempts) return;
  const auto rivals = std::exchange(s.attempts->rivals, {});
  s.attempts.reset();
  for (const auto& m : rivals) {
    if (m.stream != winner) {
      tell(m, stream_order::reset);
      continue;
    }
    if (pioneer_ == s.next.stream) pioneer_ = m.stream;
    tell(s.next, stream_order::reset);
    s.next = m;
  }
  if (s.next) remote_ = s.next.remote;
}

/// A port works, so the remote is up: attempts that have waited long try other ports at once.
void client_session::hurry(const slot& greeted) {
  for (auto& s : slots_)
    if (&s != &greeted && s.attempts && s.attempts->rounds > 0) s.attempts->at = now_;
}

bool client_session::is_rival(const slot& s, stream_number stream) {
  return s.attempts && std::any_of(s.attempts->rivals.begin(), s.attempts->rivals.end(),
                                   [stream](const member& m) { return m.stream == stream; });
}

/// True: the stream was one of several attempts, and the others go on.
bool client_session::rival_over(slot& s, stream_number stream) {
  if (!is_rival(s, stream)) return false;
  auto& all = s.attempts->rivals;
  all.erase(std::remove_if(all.begin(), all.end(),
                           [stream](const member& m) { return m.stream == stream; }),
            all.end());
  return true;
}

void client_session::drop_rivals(slot& s) {
  if (!s.attempts) return;
  for (const auto& m : s.attempts->rivals)
    tell(m, stream_order::reset);
  s.attempts.reset();
}

} // namespace tonel::protocol
