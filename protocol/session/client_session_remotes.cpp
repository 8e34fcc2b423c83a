#include "protocol/session/client_session.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

// Which of its remote's addresses a client's session goes to. As long as one answers, all streams are
// there: another address may be another server's, which would give the upstream another peer. Else the
// first stream tries them all, and the others follow it.
namespace tonel::protocol {

using namespace std::chrono_literals;

namespace {

// A SYN has been repeated by then: what has not answered is worth asking its name about.
constexpr auto unanswered_time = 700ms;
// What has begun since then may still be answered.
constexpr auto fresh_attempt = 400ms;
// So long after one address refused, those that are silent are taken for dead.
constexpr auto refusal_wait = 2s;
// A new address that does not answer is tried again after this; the old one still carries datagrams.
constexpr auto stray_wait = 60s;

bool contains(const std::vector<endpoint>& all, const endpoint& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

} // namespace

/// Any of several addresses will do for the next stream.
bool client_session::chooses() const { return addresses_.size() > 1 && !remote_answers(); }

void client_session::aim_at_next() {
  if (!std::exchange(try_next_, false) || !chooses()) return;
  const auto at = std::find(addresses_.begin(), addresses_.end(), *remote_);
  const bool last = at == addresses_.end() || at + 1 == addresses_.end();
  remote_ = last ? addresses_.front() : *(at + 1);
}

std::vector<endpoint> client_session::addresses_to_race() const {
  if (!chooses()) return {};
  auto out = addresses_;
  // The older servers remember every SYN: they are not asked for the sake of speed.
  if (is_automatic())
    out.erase(
        std::remove_if(out.begin(), out.end(),
                       [this](const endpoint& e) { return bool{from_.remotes().legacy(e, now_)}; }),
        out.end());
  return out;
}

/// An address is of no use to this session now.
void client_session::missed(const endpoint& at) {
  doubted_ = true;
  if (remote_ && *remote_ == at) try_next_ = true;
  out_.emplace_back(address_tried{at, false});
}

void client_session::reached(const endpoint& at) {
  try_next_ = false;
  const auto known = std::find(addresses_.begin(), addresses_.end(), at);
  if (known == addresses_.end()) return;
  if (!std::exchange(doubted_, false) && known == addresses_.begin()) return;
  std::rotate(addresses_.begin(), known, known + 1);
  out_.emplace_back(address_tried{at, true});
}

/// Those that have had time for an answer, once a race.
void client_session::tell_unanswered(race& r, const member& first) {
  if (now_ - r.since < unanswered_time || std::exchange(r.told, true)) return;
  std::vector<endpoint> told;
  const auto judge = [&](const member& m) {
    if (now_ - m.since < fresh_attempt || contains(told, m.remote)) return;
    told.push_back(m.remote);
    doubted_ = true;
    out_.emplace_back(address_tried{m.remote, false});
  };
  judge(first);
  for (const auto& m : r.rivals)
    judge(m);
}

/// True: one of several addresses has refused, and others are tried in its place.
bool client_session::pass_on(slot& s, stream_number stream) {
  if (!s.attempts || s.attempts->addresses.size() < 2) return false;
  auto& r = *s.attempts;
  const bool was_next = s.next.stream == stream;
  if (!was_next && !is_rival(s, stream)) return false;
  if (was_next && r.rivals.empty()) {
    r.addresses.hurry(now_);
    const auto to = r.addresses.next(now_);
    if (!to || !add_rival(s, *to)) return false; // it is the last word of all
  }
  const auto refused =
      was_next ? s.next
               : *std::find_if(r.rivals.begin(), r.rivals.end(),
                               [stream](const member& m) { return m.stream == stream; });
  if (was_next) {
    s.next = r.rivals.front();
    r.rivals.erase(r.rivals.begin());
    if (pioneer_ == stream) pioneer_ = s.next.stream;
  } else {
    rival_over(s, stream);
  }
  if (!r.refused) {
    r.refused = refused;
    r.heed_at = r.since + refusal_wait;
  }
  out_.emplace_back(address_tried{refused.remote, false});
  doubted_ = true;
  r.addresses.hurry(now_);
  if (r.addresses.deadline()) r.at = now_;
  if (!r.at) r.at = r.heed_at;
  return true;
}

/// True: one address has refused, the others are silent, so that the refusal is the remote's word.
bool client_session::heed_refusal(slot& s) {
  if (!s.attempts->heed_at || now_ < *s.attempts->heed_at) return false;
  const auto refused = *s.attempts->refused;
  drop_rivals(s);
  const auto silent = std::exchange(s.next, {});
  tell(silent, stream_order::reset);
  stream_over(silent.stream);
  attempt_failed(refused, end_reason::refused);
  if (!s.current)
    not_answered(s, refused, end_reason::refused);
  else if (strays(s))
    stray_on(s, false);
  return true;
}

/// Its stream is where the name no longer leads.
bool client_session::strays(const slot& s) const {
  return s.current && !addresses_.empty() && !contains(addresses_, s.current.remote);
}

/// It could not move: it stays where it is for a while.
void client_session::stray_on(slot& s, bool at_once) {
  s.trying_since.reset();
  s.wanted = true;
  s.retry_at = at_once ? now_ : now_ + stray_wait;
}

client_effects client_session::resolved(const std::vector<endpoint>& remotes, time_point now) {
  now_ = now;
  if (remotes.empty()) return done();
  addresses_ = remotes;
  if (!remote_) {
    remote_ = addresses_.front();
    if (closing_) return done();
    streamless_since_.reset();
    dark_since_.reset(); // what follows has its own time
    for (auto& s : slots_)
      try_now(s);
  } else if (!contains(addresses_, *remote_)) {
    if (!closing_) move();
  } else {
    for (auto& s : slots_)
      if (s.attempts && chooses()) {
        s.attempts->addresses.renew(addresses_, now_);
        if (s.attempts->addresses.deadline()) s.attempts->at = s.attempts->addresses.deadline();
      }
  }
  return done();
}

/// The name leads elsewhere. What works is kept until its replacement does.
void client_session::move() {
  remote_ = addresses_.front();
  try_next_ = guessing_ = false;
  ++generation_;
  pioneer_ = 0;
  std::vector<slot*> busy;
  for (auto& s : slots_) {
    if (s.current || s.next || s.wanted || rests_until_) busy.push_back(&s);
    drop_rivals(s);
    if (s.next) tell(std::exchange(s.next, {}), stream_order::reset);
    s.wanted = false;
    s.retry_port = 1;
    s.trying_since.reset();
    s.wait.reset();
    s.given_up_at.reset();
  }
  rests_until_.reset();
  choose_wire();
  for (auto* s : busy)
    open(*s);
}

} // namespace tonel::protocol
