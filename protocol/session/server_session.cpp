#include "protocol/session/server_session.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tonel::protocol {

namespace {

// Streams of a legacy client's group: the server gives their indexes, which have one octet.
constexpr std::size_t most_in_group = 256;
constexpr std::size_t most_faults = 3;
constexpr auto fault_period = std::chrono::seconds{30};

server_effects refused() {
  server_effects out;
  out.emplace_back(refuse_stream{});
  return out;
}

server_effects counted_refusal() {
  server_effects out;
  out.emplace_back(count_refused{});
  out.emplace_back(refuse_stream{});
  return out;
}

} // namespace

server_session::server_session(server_session_config config) noexcept
    : idle_timeout_(config.idle_timeout), deadline_(config.deadline), endings_(config.endings),
      key_mark_(config.key_mark), proof_(std::move(config.proof)),
      answers_(std::move(config.answers)), legacy_(config.legacy),
      inherits_upstream_(config.has_upstream) {}

/// Finds the stream of a segment that came to a queue which did not know the stream yet.
const server_session::member* server_session::repeated(const four_tuple& tuple) const noexcept {
  const auto known = std::find_if(streams_.begin(), streams_.end(), [&](const member& m) {
    // A native hello may replace a stream that only drains; in the legacy dialects the closed
    // stream answers.
    return m.tuple == tuple && (m.current || legacy_);
  });
  return known == streams_.end() ? nullptr : &*known;
}

server_effects server_session::adopt(const accept_stream& accepted, const newcomer& who,
                                     time_point now) {
  server_effects out;
  if (closing_) return refused();
  if (const auto* known = repeated(who.tuple)) {
    out.emplace_back(give_stream{known->stream});
    return out;
  }
  const auto& greeting = accepted.hello;
  if (!proof_) return refused();
  if (const auto admitted = proof_->admit(greeting); !admitted) {
    out.emplace_back(count_drop{admitted.error()});
    out.emplace_back(refuse_stream{});
    return out;
  }
  // Replaced streams live on for some seconds; a client must not pile them up.
  if (streams_.size() >= std::size_t{2} * greeting.stream_count + 2) return counted_refusal();
  stream_config machine;
  machine.iss = accepted.iss;
  machine.session.secret = proof_->secret();
  machine.key_mark = key_mark_;
  const bool other_key = names_other_key(greeting.capabilities, proof_->secret(), key_mark_);
  if (greeting.stream_count > 1) {
    if (!fellows_) fellows_ = std::make_shared<fellows>();
    machine.fellows = fellows_;
  }
  add(greeting.stream_index, machine, who, now, out);
  if (who.has_place && std::exchange(inherits_upstream_, false)) {
    // Not at the first datagram: the upstream may be the one to send.
    has_upstream_ = true;
    out.emplace_back(open_upstream{});
    announce(out);
  }
  if (other_key) {
    opening_failed say;
    say.what.cause = opening_cause::other_key;
    say.what.at_server = true;
    say.what.remote = who.tuple.remote;
    out.emplace_back(say);
  }
  return out;
}

server_effects server_session::adopt(const accept_legacy& accepted, const newcomer& who,
                                     time_point now) {
  server_effects out;
  if (closing_) return refused();
  if (const auto* known = repeated(who.tuple)) {
    out.emplace_back(give_stream{known->stream});
    return out;
  }
  // The stream that opened the group has ended since: its client begins with a new SYN.
  const bool late = accepted.join == 0 && !who.is_first;
  if (late || streams_.size() >= most_in_group) return counted_refusal();
  std::uint8_t index = 0;
  while (current_at(index) != nullptr)
    ++index;
  stream_config machine;
  machine.iss = accepted.iss;
  machine.wire = accepted.shown;
  machine.answers = answers_;
  add(index, machine, who, now, out);
  return out;
}

void server_session::add(std::uint8_t index, stream_config& machine, const newcomer& who,
                         time_point now, server_effects& out) {
  if (!who.has_place) {
    out.emplace_back(count_refused{});
    out.emplace_back(refuse_stream{});
    return;
  }
  machine.tuple = who.tuple;
  machine.idle_timeout = idle_timeout_;
  member m;
  m.since = now;
  m.tuple = who.tuple;
  m.stream = ++latest_;
  m.wire = machine.wire;
  m.index = index;
  admit_stream made;
  made.stream = m.stream;
  if (deadline_.count() != 0) made.ends_at = now + deadline_;
  made.config = std::move(machine);
  out.emplace_back(std::move(made));
  note_move(who.tuple.remote.address, out);
  peer_ = who.tuple.remote;
  if (auto* before = current_at(index)) {
    before->current = false;
    out.emplace_back(tell_stream{before->stream, stream_order::supersede});
  }
  const auto place = std::find_if(streams_.begin(), streams_.end(),
                                  [index](const member& each) { return each.index > index; });
  streams_.insert(place, m);
  streamless_ = false;
  wake_at_ = time_point::max();
  announce(out);
}

/// Remarks that the client has moved to another address.
void server_session::note_move(const ip_address& address, server_effects& out) const {
  const bool first = peer_.port == 0;
  if (first || peer_.address == address || legacy_ ||
      std::any_of(streams_.begin(), streams_.end(),
                  [&](const member& m) { return m.tuple.remote.address == address; }))
    return;
  session_remark say;
  say.what = session_remark::kind::moved;
  say.remote = peer_;
  say.now_from = address;
  out.emplace_back(say);
}

bool server_session::has_current() const noexcept {
  return std::any_of(streams_.begin(), streams_.end(), [](const member& m) { return m.current; });
}

bool server_session::is_idle() const noexcept {
  return !closing_ && std::all_of(streams_.begin(), streams_.end(),
                                  [](const member& m) { return m.idle || !m.current; });
}

void server_session::end_in_turn(time_point now, server_effects& out) {
  const auto turn = endings_ != nullptr ? endings_->next(now) : now;
  if (turn > now)
    wake_at_ = turn;
  else
    end(false, session_end::idle, out);
}

server_session::member* server_session::current_at(std::size_t index) noexcept {
  for (auto& m : streams_)
    if (m.current && m.index == index) return &m;
  return nullptr;
}

server_effects server_session::on_report(const stream_report& report, time_point now) {
  using kind = stream_report::kind;
  server_effects out;
  const auto found = std::find_if(streams_.begin(), streams_.end(), [&](const member& m) {
    return m.current && m.stream == report.stream;
  });
  if (found == streams_.end()) return out; // the stream has been replaced
  switch (report.what) {
  case kind::idle:
    found->idle = true;
    if (is_idle()) end_in_turn(now, out);
    break;
  case kind::active: found->idle = false; break;
  case kind::ended:
    found->current = false;
    announce(out);
    if (report.why == end_reason::closed_by_peer && !has_current())
      end(false, session_end::closed_by_peer, out);
    else
      note_streamless(now, out);
    break;
  case kind::too_large:
    if (report.limit < told_limit_) {
      told_limit_ = report.limit;
      session_remark say;
      say.what = session_remark::kind::too_large;
      say.remote = found->tuple.remote;
      say.size = report.size;
      say.limit = report.limit;
      out.emplace_back(say);
    }
    break;
  case kind::sink_wanted:
    if (has_upstream_ || closing_) break;
    has_upstream_ = true;
    out.emplace_back(open_upstream{});
    announce(out);
    break;
  case kind::silent:
  case kind::worn:
  case kind::recovered:
    found->silent = report.what == kind::silent;
    announce(out);
    break;
  case kind::opened:
  case kind::greeted:
  case kind::aging:
  case kind::try_new_port:
  case kind::unscaled:
  case kind::strange:
  case kind::undelivered:
  case kind::legacy: break; // said by clients only
  }
  finish_if_done(out);
  return out;
}

server_effects server_session::on_gone(stream_number stream, time_point now) {
  server_effects out;
  const auto found = std::find_if(streams_.begin(), streams_.end(),
                                  [stream](const member& m) { return m.stream == stream; });
  if (found == streams_.end()) return out;
  const bool fault = found->current; // the client will open another
  streams_.erase(found);
  if (fault) announce(out);
  note_streamless(now, out);
  finish_if_done(out);
  return out;
}

server_effects server_session::on_upstream_gone(time_point now) {
  server_effects out;
  if (closing_) return out;
  if (!faults_) faults_ = std::make_unique<restart_budget>(most_faults, fault_period);
  if (!faults_->take(now)) {
    over_ = true;
    out.emplace_back(session_failed{});
    return out;
  }
  out.emplace_back(open_upstream{});
  announce(out);
  return out;
}

server_effects server_session::on_upstream_moved() {
  server_effects out;
  if (!has_upstream_) return out;
  out.emplace_back(open_upstream{});
  announce(out);
  return out;
}

void server_session::note_streamless(time_point now, server_effects& out) {
  if (closing_ || streamless_) return;
  if (has_current()) { // the only stream that was not idle may be gone
    if (is_idle()) end_in_turn(now, out);
    return;
  }
  if (legacy_) return end(false, session_end::closed_by_peer, out);
  streamless_ = true;
  wake_at_ = now + idle_timeout_;
}

server_effects server_session::on_timer(time_point now) {
  server_effects out;
  if (now < wake_at_) return out;
  wake_at_ = time_point::max();
  if (streamless_ || is_idle())
    end(false, streamless_ ? session_end::streamless : session_end::idle, out);
  return out;
}

server_effects server_session::probe() {
  server_effects out;
  for (const auto& m : streams_)
    if (m.current) out.emplace_back(tell_stream{m.stream, stream_order::probe});
  return out;
}

server_effects server_session::close(bool at_exit) {
  server_effects out;
  end(at_exit, session_end::asked, out);
  return out;
}

server_effects server_session::displace() {
  server_effects out;
  if (closing_) return out;
  // By FIN, so that its client does not come back at once; but no stream stays to answer late
  // segments, since that would keep the streams' places.
  end(true, session_end::asked, out);
  release(out);
  return out;
}

void server_session::end(bool at_exit, session_end why, server_effects& out) {
  if (!std::exchange(closing_, true)) out.emplace_back(retire_session{why});
  const auto how = at_exit ? stream_order::close_at_exit : stream_order::close;
  for (const auto& m : streams_) // at exit also streams that drain or wait for late segments
    if (m.current || at_exit) out.emplace_back(tell_stream{m.stream, how});
  // The legacy dialects close by RST, after which nothing is read.
  if (legacy_) release(out);
  finish_if_done(out);
}

/// Gives up sockets and place: late segments of ended streams must not hold them.
void server_session::release(server_effects& out) {
  if (std::exchange(released_, true)) return;
  has_upstream_ = false;
  out.emplace_back(release_upstream{});
}

void server_session::announce(server_effects& out) const {
  if (!has_upstream_) return;
  announce_streams now;
  // Silent streams are left out, unless all are silent: then the client may merely be so.
  for (const bool silent : {false, true}) {
    if (!now.streams.empty()) break;
    for (const auto& m : streams_)
      if (m.current && m.silent == silent) now.streams.push_back(m.stream);
  }
  out.emplace_back(std::move(now));
}

void server_session::finish_if_done(server_effects& out) {
  if (!closing_) return;
  if (!has_current()) release(out);
  if (streams_.empty() && !std::exchange(over_, true)) out.emplace_back(session_finished{});
}

std::optional<time_point> server_session::deadline() const noexcept {
  if (wake_at_ == time_point::max()) return std::nullopt;
  return wake_at_;
}

standing server_session::state() const noexcept {
  return closing_ ? standing::closing : has_current() ? standing::open : standing::waiting;
}

std::vector<stream_standing> server_session::streams() const {
  std::vector<stream_standing> out;
  for (const auto& m : streams_)
    if (m.current)
      out.push_back({m.stream,
                     closing_   ? standing::closing
                     : m.silent ? standing::silent
                     : m.idle   ? standing::idle
                                : standing::open,
                     m.wire, m.since});
  return out;
}

const four_tuple* server_session::tuple_of(stream_number stream) const noexcept {
  for (const auto& m : streams_)
    if (m.stream == stream) return &m.tuple;
  return nullptr;
}

} // namespace tonel::protocol
