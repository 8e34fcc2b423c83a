#include "protocol/session/client_session.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

// Several attempts at once to open one stream, each on a port of its own: a SYN that is lost costs a
// quarter of a second, and of paths that are told apart by ports one that works is found (RFC 8305 does
// so with addresses). The answer to a SYN decides; only the one that got it says hello.
namespace tonel::protocol {

using namespace std::chrono_literals;

namespace {

/// Between one attempt and the next; twice as long each time.
constexpr duration first_wait = 250ms;
constexpr unsigned most_doublings = 5;
/// Attempts at a time.
constexpr std::size_t most_attempts = 4;

} // namespace

/// The remote answers other streams of this session, so what is wrong is wrong with a port's path.
bool client_session::remote_answers() const {
  return std::any_of(slots_.begin(), slots_.end(),
                     [](const slot& s) { return s.open && s.current && !s.silent; });
}

void client_session::start_race(slot& s) {
  if (!s.attempts) return;
  s.attempts->at = now_ + first_wait;
  // The one before has fallen silent alone: so may the next port.
  if (s.silent && remote_answers())
    while (s.attempts->rivals.size() + 1 < most_attempts && add_rival(s)) {
    }
}

void client_session::join_race(slot& s) {
  auto& r = *s.attempts;
  r.at = now_ + first_wait * (1 << std::min(++r.rounds, most_doublings));
  if (!remote_answers()) {
    // Of a remote that may be down, no more than a few.
    if (r.rivals.size() + 1 < most_attempts)
      add_rival(s);
    else
      r.at.reset();
    return;
  }
  // Ports without an answer make way for others. The oldest stays, whatever the round trip.
  if (r.rivals.size() + 1 >= most_attempts) {
    for (const auto& m : r.rivals)
      tell(m, stream_order::reset);
    r.rivals.clear();
  }
  while (r.rivals.size() + 1 < most_attempts && add_rival(s)) {
  }
}

bool client_session::add_rival(slot& s) {
  if (!from_.may_race(now_)) return false;
  const auto m = connect(s, s.next.port);
  if (!m) return false;
  s.attempts->rivals.push_back(m);
  return true;
}

/// One of them has its answer: it is `next` from now on, and the others end without a trace.
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
}

/// A port works: those that have waited for long now know that it is not the remote.
void client_session::hurry(const slot& greeted) {
  for (auto& s : slots_)
    if (&s != &greeted && s.attempts && s.attempts->rounds > 0) s.attempts->at = now_;
}

bool client_session::is_rival(const slot& s, stream_number stream) {
  return s.attempts && std::any_of(s.attempts->rivals.begin(), s.attempts->rivals.end(),
                                   [stream](const member& m) { return m.stream == stream; });
}

/// True: it was one of several attempts, and the others go on.
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
