#include "protocol/session/client_session.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tonel::protocol {

using namespace std::chrono_literals;

namespace {

// How long a stream is tried for, on all ports together.
constexpr auto give_up_time = 30s;
// Wait before another try where other streams carry the session meanwhile.
constexpr auto lost_one_wait = 60s;
// A server that was there is being restarted, mostly; a SYN and its RST cost little.
constexpr duration restart_wait = 5s;
// Waits begin anew where nobody has wanted a stream for this long.
constexpr auto forget_waits = 60s;
// Octets of waiting datagrams that may go out before the server's first segment after the SYN-ACK:
// until then trackers hold a sender to an unscaled window, and the stream holds itself to 60,000.
constexpr std::size_t before_greeting = std::size_t{48} << 10;
// If the server closes the session, the FINs of its other streams follow within this time.
constexpr auto fins_wait = 1s;

} // namespace

client_session::client_session(const client_session_config& config, client_resources& from)
    : config_(config), from_(from), claims_(from.draw_claims()), resumes_(!claims_.introduces()),
      slots_(config.streams) {
  if (slots_.size() > 1) fellows_ = std::make_shared<fellows>();
}

/// The effects of the present call, with session_finished where nothing of the session is left.
client_effects client_session::done() {
  if (closing_ && alive_.empty() && !std::exchange(over_, true))
    out_.emplace_back(session_finished{});
  return std::exchange(out_, {});
}

void client_session::tell(const member& m, stream_order what) {
  out_.emplace_back(tell_stream{m.stream, what});
}

void client_session::remark(session_remark what) { out_.emplace_back(what); }

client_effects client_session::start(const std::vector<endpoint>& remotes, time_point now) {
  now_ = now;
  streamless_since_ = now_;
  if (remotes.empty()) darken();
  return resolved(remotes, now);
}

client_session::slot* client_session::slot_of(stream_number stream) {
  for (auto& s : slots_)
    if (s.current.stream == stream || s.next.stream == stream || is_rival(s, stream)) return &s;
  return nullptr;
}

/// Begins an attempt, unless nothing was ever carried and the tunnel's others have just failed.
void client_session::try_now(slot& s, unsigned port) {
  if (closing_) return;
  if (!proven_ && port == 1 && turn_taken_ != now_) {
    if (!from_.take_turn(now_)) {
      darken();
      if (!s.trying_since) s.trying_since = now_;
      if (now_ - *s.trying_since >= give_up_time) return give_up(s);
      s.wanted = true;
      s.retry_at = from_.next_turn();
      return;
    }
    turn_taken_ = now_;
  }
  open(s, port);
}

void client_session::open(slot& s, unsigned port) {
  if (closing_) return;
  s.retry_at.reset();
  drop_rivals(s);
  aim_at_next();
  if (pioneer_ == 0 && !has_stream()) choose_wire();
  if (must_wait()) {
    s.wanted = true;
    s.trying_since.reset();
    return;
  }
  s.wanted = false;
  if (!s.trying_since) s.trying_since = now_;
  darken();
  const bool first = decides_for_all();
  if (first) ++generation_;
  // Legacy servers remember every SYN, so only one port is tried at a time there.
  if (wire_ == profile::native) s.attempts = std::make_unique<race>();
  s.next = connect(s, port, *remote_);
  if (first) pioneer_ = s.next.stream;
  if (s.next) return start_race(s);
  no_end(s);
}

client_effects client_session::on_report(const stream_report& report, time_point now) {
  using kind = stream_report::kind;
  now_ = now;
  auto* s = slot_of(report.stream);
  // A refusal is an answer of the remote, too, unless other streams are answered otherwise.
  const bool refused =
      report.what == kind::ended && report.why == end_reason::refused && !remote_answers();
  if (s != nullptr && refused && pass_on(*s, report.stream)) return done();
  if (s != nullptr && (report.what == kind::opened || report.what == kind::legacy || refused))
    settle(*s, report.stream);
  if (report.what == kind::ended || report.what == kind::legacy ||
      report.what == kind::try_new_port)
    stream_over(report.stream);
  if (s == nullptr) return done(); // the stream has been replaced
  note_evidence(report);
  if ((report.what == kind::ended || report.what == kind::try_new_port) &&
      rival_over(*s, report.stream))
    return done();
  switch (report.what) {
  case kind::opened: on_opened(*s, report); break;
  case kind::greeted: on_greeted(*s, report); break;
  case kind::silent:
    mark_silent(*s, report.stream, true);
    // The path may be lost: prepare another stream before this one is given up.
    if (s->current.stream == report.stream && !s->next && !closing_) open(*s);
    break;
  case kind::worn:
    // A new group would get nothing until the application sends, which mends this stream as well.
    if (s->current.stream == report.stream && !s->next && !closing_ && can_join()) open(*s);
    break;
  case kind::recovered:
    mark_silent(*s, report.stream, false);
    if (s->current.stream == report.stream && hops(*s) && !s->next.opened) stay(*s);
    break;
  case kind::idle:
    s->idle = true;
    if (is_idle()) end_in_turn();
    break;
  case kind::active:
    s->idle = false;
    close_at_.reset();
    break;
  case kind::aging: aging(*s, report.stream); break;
  case kind::try_new_port: try_port(*s, report.stream); break;
  case kind::ended: on_ended(*s, report); break;
  case kind::legacy: found_legacy(*s, report); break;
  case kind::strange:
  case kind::undelivered:        // noted above
  case kind::sink_wanted: break; // said by servers only
  case kind::unscaled:
    if (from_.remotes().remark_window(*remote_)) {
      session_remark say;
      say.what = session_remark::kind::window_unscaled;
      say.remote = *remote_;
      remark(say);
    }
    break;
  case kind::too_large:
    if (report.limit < told_limit_) {
      told_limit_ = report.limit;
      session_remark say;
      say.what = session_remark::kind::too_large;
      say.size = report.size;
      say.limit = report.limit;
      remark(say);
    }
    break;
  }
  return done();
}

void client_session::mark_silent(slot& s, stream_number stream, bool silent) {
  if (s.current.stream != stream || s.silent == silent) return;
  s.silent = silent;
  announce();
  if (!silent) lighten();
}

void client_session::on_opened(slot& s, const stream_report& report) {
  // A replacement is used only once its hello was answered: the stream before it may still work.
  if (s.next.stream != report.stream) return;
  s.next.opened = true;
  if (report.wire != profile::native) legacy_opened(s.next, report);
  if (!s.current) promote(s);
}

void client_session::on_greeted(slot& s, const stream_report& report) {
  s.trying_since.reset();
  s.wait.reset();
  s.elsewhere = 0;
  resumes_ = false;
  if (s.next.stream == report.stream && is_well(s) && hops(s)) {
    claims_.greeted(s.next.hello);
    return stay(s);
  }
  auto& m = s.next.stream == report.stream ? s.next : s.current;
  m.greeted = true;
  proven_ = true;
  if (report.wire == profile::native) {
    claims_.greeted(m.hello);
    from_.remotes().saw_native(m.remote);
    reached(m.remote);
  }
  if (s.next.stream == report.stream)
    promote(s);
  else
    announce();
  judge_key(report);
  lighten();
  await_reply();
  hurry(s);
  if (pioneer_ == report.stream) {
    pioneer_ = 0;
    follow(s);
  } else if (token_ != 0 && s.current.generation != generation_ && !s.next) {
    open(s); // it joined a group that the session was leaving
  }
}

void client_session::promote(slot& s) {
  // The stream before it reads on for a while; but where another server has the session now, the one
  // before learns that it is over.
  if (s.current)
    tell(s.current, s.current.home == s.next.home ? stream_order::supersede : stream_order::close);
  s.current = std::exchange(s.next, {});
  s.open = true;
  s.idle = false;
  s.silent = false;
  streamless_since_.reset();
  announce();
}

void client_session::try_port(slot& s, stream_number stream) {
  const bool is_next = s.next.stream == stream;
  const auto m = std::exchange(is_next ? s.next : s.current, {}); // the stream ends by itself
  if (is_next) {
    drop_rivals(s);
  } else {
    s.open = false;
    announce();
  }
  leave_group(m);
  attempt_failed(m, end_reason::timed_out);
  if (!m.joins && !guessing_) missed(m.remote);
  if (m.port >= ports_to_try(m.wire)) return give_up(s);
  if (!m.joins) return open(s, m.port + 1);
  s.retry_port = m.port + 1; // after a wait: a join may be refused each time
  retry(s);
}

void client_session::on_ended(slot& s, const stream_report& report) {
  const bool was_next = s.next.stream == report.stream;
  const auto m = std::exchange(was_next ? s.next : s.current, {});
  if (was_next) {
    drop_rivals(s);
  } else {
    s.open = false;
    announce();
  }
  if (closing_) return;
  if (!m.greeted) attempt_failed(m, report.why);
  if (report.why == end_reason::path_ends_tcp) return on_proxied_path(s, m);
  // What closes at the hello is no server of ours, and the next datagram would meet the same.
  if (report.why == end_reason::closed_by_peer && m.greeted) {
    // The FIN of the last stream closes the session.
    if (std::none_of(slots_.begin(), slots_.end(),
                     [](const slot& each) { return bool{each.current}; })) {
      end(false, session_end::closed_by_peer);
      return;
    }
    if (!s.current && !s.next) {
      s.wanted = true;
      s.retry_at = now_ + fins_wait;
    }
    return;
  }
  if (report.why == end_reason::reset) {
    if (try_elsewhere(s, m)) return;
    doubt_server(m);
    // An attacker who saw the secret may have used up the id at the server.
    if (m.introduced && !m.greeted && !has_stream()) claims_ = from_.draw_claims();
    if (!m.introduced && claims_.introduces())
      s.wait.reset(); // the introduction was what the server missed
    if (m.introduced && !m.greeted) missed(m.remote);
  }
  if (!s.current && s.next.opened) promote(s);
  if (s.current || s.next) { // the other one goes on
    leave_group(m);
    if (s.next) return;
    const bool forgotten = report.why == end_reason::reset && m.wire == profile::native;
    if (!m.joins && strays(s))
      stray_on(s, !m.introduced && claims_.introduces());
    else if (m.joins || s.current.left || (s.silent && forgotten))
      retry(s); // native: by an introduction
    return;
  }
  if (report.why == end_reason::refused || report.why == end_reason::timed_out)
    not_answered(s, m, report.why);
  else
    lost(s, report.recent);
}

void client_session::lost(slot& s, bool replace_now) {
  s.refused = false;
  // One of several streams is always replaced: as long as others take the datagrams, none would
  // wait and ask for this one.
  if (replace_now || !proven_ || has_stream()) return retry(s);
  if (!streamless_since_) streamless_since_ = now_;
  dark_since_.reset(); // nobody wants one
  judged_at_.reset();
}

void client_session::retry(slot& s) {
  if (!s.trying_since) s.trying_since = now_;
  if (now_ - *s.trying_since >= give_up_time) {
    give_up(s);
    return;
  }
  s.wanted = true;
  const auto failed_at = std::exchange(s.given_up_at, std::nullopt).value_or(now_);
  if (now_ - failed_at >= forget_waits) s.wait.reset();
  auto wait = s.wait.next();
  if (s.refused && proven_) wait = std::min(wait, restart_wait);
  s.retry_at = std::max(now_, failed_at + wait);
}

void client_session::aging(slot& s, stream_number stream) {
  if (s.current.stream != stream || closing_) return;
  // New streams do not know how long the session has been idle; without this it would never end.
  if (now_ - from_.last_datagram() >= config_.idle_timeout)
    end(false, session_end::idle);
  else if (!s.next && !s.wanted)
    open(s);
}

void client_session::give_up(slot& s) {
  s.wanted = false;
  s.retry_at.reset();
  s.trying_since.reset();
  s.given_up_at = now_;
  if (s.current) { // it still works, or will report that it is dead
    if (strays(s) || s.current.left) stray_on(s, false);
    return;
  }
  if (has_stream()) {
    s.wanted = true;
    s.retry_at = now_ + lost_one_wait;
    return;
  }
  // Nothing at the server remembers this session: the next datagram starts anew.
  if (!proven_) return end(false, session_end::streamless);
  dark_since_.reset();
  judged_at_.reset();
  // Announces no streams once more, so that the next datagram asks again.
  announce();
  if (!streamless_since_) streamless_since_ = now_;
}

client_effects client_session::on_gone(stream_number stream, time_point now) {
  now_ = now;
  const auto known = std::find(alive_.begin(), alive_.end(), stream);
  if (known == alive_.end()) return done();
  alive_.erase(known);
  stream_over(stream);
  auto* s = slot_of(stream);
  if (s != nullptr &&
      !rival_over(*s, stream)) { // gone without reporting `ended`: a fault of this program
    const bool was_next = s->next.stream == stream;
    (was_next ? s->next : s->current) = {};
    if (was_next)
      drop_rivals(*s);
    else
      s->open = false;
    announce();
    if (!s->current && s->next.opened) promote(*s);
    if (!closing_ && !s->current && !s->next) {
      if (!faults_.take(now_)) {
        over_ = true;
        out_.emplace_back(session_failed{});
        return done();
      }
      attempt_failed(opening_cause::stream_failed);
      retry(*s);
    }
  }
  return done();
}

client_effects client_session::want(time_point now) {
  now_ = now;
  if (closing_ || !remote_ || rests_until_) return done();
  streamless_since_.reset(); // set again if this try fails
  for (auto& s : slots_)
    if (!s.current && !s.next && !s.wanted) retry(s);
  return done();
}

client_effects client_session::remote_answers(time_point now) {
  now_ = now;
  for (auto& s : slots_) {
    if (!s.wanted || !s.retry_at) continue;
    s.wait.reset();
    s.retry_at = std::min(*s.retry_at, from_.endings().next(now_));
  }
  return done();
}

client_effects client_session::probe(time_point now) {
  now_ = now;
  for (auto& s : slots_)
    for (const auto* m : {&s.current, &s.next})
      if (*m) tell(*m, stream_order::probe);
  return done();
}

client_effects client_session::on_timer(time_point now) {
  now_ = now;
  for (auto& s : slots_) {
    if (s.retry_at && *s.retry_at <= now_) try_now(s, std::exchange(s.retry_port, 1));
    if (s.attempts && s.attempts->at && *s.attempts->at <= now_) join_race(s);
    if (s.current.ends_at && *s.current.ends_at <= now_) on_end_of_life(s);
  }
  if (judged_at_ && *judged_at_ <= now_) on_opening_time();
  if (reply_at_ && *reply_at_ <= now_) on_reply_time();
  if (streamless_since_ && now_ - *streamless_since_ >= config_.idle_timeout)
    end(false, session_end::streamless);
  if (rests_until_ && now_ >= *rests_until_) end(false, session_end::path_ends_tcp);
  if (close_at_ && now_ >= *close_at_) {
    close_at_.reset();
    // A session that lost its stream meanwhile opens another, or ends when it has been streamless
    // for too long. A stream reports only at its next timer that it carries datagrams again.
    if (is_idle() && is_open()) {
      const auto last = from_.last_datagram();
      if (now_ - last < config_.idle_timeout)
        close_at_ = last + config_.idle_timeout;
      else
        end(false, session_end::idle);
    }
  }
  return done();
}

client_effects client_session::close(bool at_exit, time_point now) {
  now_ = now;
  end(at_exit, session_end::asked);
  return done();
}

void client_session::end(bool at_exit, session_end why) {
  if (!std::exchange(closing_, true)) out_.emplace_back(retire_session{why});
  for (auto& s : slots_) {
    s.wanted = false;
    s.retry_at.reset();
    drop_rivals(s);
    if (s.current) tell(s.current, at_exit ? stream_order::close_at_exit : stream_order::close);
    if (s.next) tell(s.next, stream_order::reset);
  }
  if (at_exit) // also streams that drain or wait for late segments
    for (const auto stream : alive_)
      out_.emplace_back(tell_stream{stream, stream_order::close_at_exit});
}

standing client_session::state() const {
  return closing_    ? standing::closing
         : !proven_  ? standing::opening
         : is_open() ? standing::open
                     : standing::waiting;
}

std::vector<stream_standing> client_session::streams() const {
  std::vector<stream_standing> out;
  for (const auto& s : slots_)
    for (const auto* m : {&s.current, &s.next})
      if (*m)
        out.push_back({m->stream,
                       closing_       ? standing::closing
                       : m == &s.next ? standing::opening
                       : s.silent     ? standing::silent
                       : s.idle       ? standing::idle
                                      : standing::open,
                       m->wire, m->since});
  return out;
}

void client_session::announce() {
  announce_streams now{{}, 0, wire_ != profile::native};
  // One port at the upstream at a time: streams of an earlier group are about to be left.
  std::uint32_t newest = 0;
  for (const auto& s : slots_)
    if (s.open && s.current) newest = std::max(newest, s.current.generation);
  // Streams that are silent, or whose hello is not answered yet, are left out unless there are no
  // others.
  constexpr auto rank = [](const slot& s) { return s.silent ? 2 : s.current.greeted ? 0 : 1; };
  // What follows a hello that joins would be lost if the server has forgotten the session.
  for (int wanted = 0; wanted <= 2 && now.streams.empty(); ++wanted) {
    if (wanted == 1 && resumes_) continue;
    for (const auto& s : slots_)
      if (s.open && s.current && s.current.generation == newest && rank(s) == wanted)
        now.streams.push_back(s.current.stream);
    now.room = wanted == 1 ? before_greeting : 0;
  }
  out_.emplace_back(std::move(now));
}

bool client_session::is_open() const {
  return std::any_of(slots_.begin(), slots_.end(), [](const slot& s) { return s.open; });
}

bool client_session::is_idle() const {
  return std::all_of(slots_.begin(), slots_.end(), [](const slot& s) { return s.idle || !s.open; });
}

void client_session::end_in_turn() {
  const auto turn = from_.endings().next(now_);
  if (turn > now_)
    close_at_ = turn;
  else
    end(false, session_end::idle);
}

bool client_session::has_stream() const {
  return std::any_of(slots_.begin(), slots_.end(),
                     [](const slot& s) { return s.current || s.next; });
}

std::optional<time_point> client_session::deadline() const {
  std::optional<time_point> at;
  const auto earlier = [&](time_point t) {
    if (!at || t < *at) at = t;
  };
  for (const auto& s : slots_) {
    if (s.retry_at) earlier(*s.retry_at);
    if (s.attempts && s.attempts->at) earlier(*s.attempts->at);
  }
  if (closing_) return at;
  for (const auto& s : slots_)
    if (s.current.ends_at) earlier(*s.current.ends_at);
  if (judged_at_) earlier(*judged_at_);
  if (reply_at_) earlier(*reply_at_);
  if (streamless_since_) earlier(*streamless_since_ + config_.idle_timeout);
  if (close_at_) earlier(*close_at_);
  if (rests_until_) earlier(*rests_until_);
  return at;
}

} // namespace tonel::protocol
