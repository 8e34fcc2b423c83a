#include "protocol/acceptor.hpp"

#include "protocol/run.hpp"
#include "protocol/siphash.hpp"
#include "protocol/wire.hpp"

#include <algorithm>
#include <chrono>

namespace tonel::protocol {

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t resets_per_second = 1'000;
constexpr std::size_t most_held = std::size_t{4} << 20;
constexpr auto hold_time = 3s;

/// Octets that a held segment counts besides its payload, so that empty segments are limited, too.
constexpr std::size_t bookkeeping = sizeof(held_segment);
/// Expiries outlast released segments; a peer that alternates data and FIN must not pile them up.
constexpr std::size_t most_expiries = most_held / bookkeeping;

/// phantun repeats its SYN after 1 s and 2 s; tonel never repeats one, and has given up after 3 s.
constexpr auto least_repeat = 500ms, last_repeat = 2'800ms;
constexpr std::size_t recent_syns = 4'096;
/// How long after its SYN a legacy connection can be opened by a datagram other than the first. It
/// is less than the time for which a closed connection is remembered, whose late datagrams open
/// nothing.
constexpr auto opening_time = 60s;
constexpr std::size_t most_joins = 64;
constexpr auto join_interval = 20ms;

/// A RST that the sender of `in` and all trackers on the way accept: its sequence number is the one
/// that `in` expects next.
/// Source: RFC 9293 §3.10.7.1
segment_header reset_for(const segment_repr& in) noexcept {
  constexpr std::uint8_t flags = flag::rst | flag::ack;
  auto out = answer_to(in, in.has(flag::ack) ? in.ack : seq_num{}, in.end(), flags);
  out.window = 0;
  return out;
}

/// The ack is one more than a token, with which a legacy SYN is answered.
bool names_token(const segment_repr& in) noexcept {
  return !in.has(flag::fin) && in.ack.raw >= 2 && in.ack.raw <= 65'536;
}

bool rests(const served_port& port, const segment_repr& in, guess_kind kind, time_point now) {
  return port.groups != nullptr && port.groups->rests(in.tuple.remote.address, kind, now);
}

} // namespace

acceptor::acceptor(const acceptor_config& config)
    : config_(config), cookie_(config.secret),
      resets_(resets_per_second, siphash24(config.secret, {})),
      early_(0, address_hash{siphash24(config.secret, {})}) {
  serve(config.ports);
}

void acceptor::serve(served_ports ports) {
  config_.ports = std::move(ports);
  const auto legacy = [](const auto& entry) { return entry.second.legacy; };
  if (std::any_of(config_.ports.begin(), config_.ports.end(), legacy)) recent_.resize(recent_syns);
}

const served_port* acceptor::port_of(const segment_repr& in) const noexcept {
  const auto found = config_.ports.find(in.tuple.local.port);
  return found == config_.ports.end() ? nullptr : &found->second;
}

stray_answer acceptor::on_stray(const segment_repr& in, byte_view payload, time_point now) {
  if (in.has(flag::rst)) return ignore_stray{};
  if (!flags_can_be(in.flags)) return ignore_stray{errc::bad_flags};
  const auto* port = port_of(in);
  // Whoever isn't served is not to learn that anybody is.
  if (port != nullptr && !port->serves(in.tuple.remote.address))
    return ignore_stray{errc::not_allowed};
  if (port == nullptr || (in.has(flag::syn) && in.has(flag::ack)))
    return refuse(in, errc::no_stream, now);
  if (in.has(flag::syn)) {
    if (is_legacy_syn(in)) {
      if (hold_join(in, now)) return ignore_stray{};
      return on_legacy_syn(in, *port, now);
    }
    return port->native ? stray_answer{syn_ack(in, now)} : refuse(in, errc::no_stream, now);
  }
  const auto claim = port->legacy ? legacy_claim_of(in, *port, now) : legacy_claim{};
  if (claim.made) {
    if (rests(*port, in, claim.kind, now)) return refuse(in, errc::guess_limited, now);
    return let_in(in, *port, *claim.made, now);
  }

  if (const auto iss = cookie_.proven(in.tuple, in.ack, now))
    return on_proven(in, payload, *iss, now);
  // The end of a health check: an empty ACK of our FIN, which answered the checker's.
  if (in.payload_length == 0 && !in.has(flag::fin) && cookie_.proven(in.tuple, in.ack - 1, now))
    return ignore_stray{};
  if (claim.possible)
    return refuse_guess(in, *port, claim.kind, (in.ack.raw - 1) << 16 | in.tuple.remote.port, now);
  return refuse(in, errc::unproven, now);
}

reply_stray acceptor::syn_ack(const segment_repr& in, time_point now) const noexcept {
  return {native_syn_ack(in, cookie_.isn(in.tuple, now), config_.mtu), std::nullopt};
}

stray_answer acceptor::on_legacy_syn(const segment_repr& in, const served_port& port,
                                     time_point now) {
  if (!port.legacy) {
    auto refused = refuse(in, errc::no_stream, now);
    if (auto* reply = std::get_if<reply_stray>(&refused)) reply->older_client = true;
    return refused;
  }
  const auto kind = in.seq.raw == 0 ? guess_kind::opening : guess_kind::join;
  if (rests(port, in, kind, now)) return refuse(in, errc::guess_limited, now);
  const auto token = cookie_.token(in.tuple, in.seq, now);
  const auto groups =
      port.groups ? port.groups->groups_of(in.tuple.remote.address) : std::vector<legacy_group>{};
  const auto has = [&groups](std::uint16_t t, auto&& and_also) {
    return std::any_of(groups.begin(), groups.end(),
                       [&](const legacy_group& g) { return g.token == t && and_also(g); });
  };
  if (in.seq.raw != 0) {
    // The group is gone, or was another process': its client starts a new one.
    if (!has(token_in(in.seq), [](const legacy_group&) { return true; }))
      return refuse_guess(in, port, kind, in.seq.raw << 16, now);
  } else if (has(token,
                 [&](const legacy_group& g) { return g.first_port != in.tuple.remote.port; })) {
    // Another client has this token, and joins would reach its group; from another port the token
    // differs.
    return refuse(in, errc::unproven, now);
  }
  const auto hash = early_.hash_function()(in.tuple);
  auto& seen = recent_[hash % recent_.size()];
  const auto age = seen.at == time_point::min() ? duration::max() : now - seen.at;
  if (seen.tuple != hash || age > last_repeat)
    seen = {hash, now, false};
  else if (age >= least_repeat)
    seen.repeated = true;
  return reply_stray{legacy_syn_ack(in, token), std::nullopt};
}

stray_answer acceptor::let_in(const segment_repr& in, const served_port& port, accept_legacy made,
                              time_point now) {
  if (port.groups == nullptr) return made;
  const auto token = token_in(made.iss);
  auto place = port.groups->place(in.tuple, token, made.join, config_.queue, now);
  if (!place) return refuse_session{answer_to(in, in.ack, in.end(), flag::rst | flag::ack)};
  made.place = std::move(*place);
  return made;
}

/// The SYN joins a group that is not known.
bool acceptor::lacks_group(const segment_repr& syn) const {
  const auto* port = port_of(syn);
  if (port == nullptr || !port->legacy || port->groups == nullptr || syn.seq.raw == 0) return false;
  const auto groups = port->groups->groups_of(syn.tuple.remote.address);
  return std::none_of(groups.begin(), groups.end(),
                      [&](const legacy_group& g) { return g.token == token_in(syn.seq); });
}

bool acceptor::hold_join(const segment_repr& syn, time_point now) {
  if (config_.join_patience <= duration::zero() || syn.flags != flag::syn) return false;
  if (joins_.size() >= most_joins || !lacks_group(syn)) return false;
  if (joins_.empty()) joins_at_ = now + join_interval;
  joins_.push_back({syn, now + config_.join_patience});
  return true;
}

/// Finds the SYN whose answer the sender of `in` has seen, if any. A legacy SYN has the sequence
/// number 0 or a live group's token; the nearest below `in` is taken. A restarted server gets
/// datagrams of connections that it does not know: without a remembered SYN they open nothing, and
/// so do not count as guesses.
acceptor::legacy_claim acceptor::legacy_claim_of(const segment_repr& in, const served_port& port,
                                                 time_point now) const {
  legacy_claim out;
  if (!names_token(in)) return out;
  const auto* seen = recent_syn_of(in.tuple);
  // An empty segment can only be the third ACK, which directly follows the SYN.
  const bool may_be_later =
      in.payload_length != 0 && seen != nullptr && now - seen->at <= opening_time;
  // The place alone decides the kind, so that a guess is counted and limited as the same kind.
  auto nearest = static_cast<std::int32_t>(receive_window), nearest_proven = nearest;
  const auto consider = [&](std::uint16_t join) {
    const seq_num syn{join};
    const auto distance = in.seq - (syn + 1);
    if (distance < 0 || distance >= nearest_proven) return;
    if (distance != 0 && !may_be_later) return;
    if (distance < nearest) {
      nearest = distance;
      out.possible = true;
      out.kind = join != 0 ? guess_kind::join : guess_kind::opening;
    }
    if (!cookie_.proves_token(in.tuple, syn, in.ack, now)) return;
    nearest_proven = distance;
    out.made = accept_legacy{in.ack - 1, syn, join, join != 0 ? profile::tonel : profile::legacy};
  };
  consider(0);
  if (port.groups != nullptr)
    for (const auto& g : port.groups->groups_of(in.tuple.remote.address))
      consider(g.token);
  if (out.made && out.made->join == 0 && seen != nullptr && seen->repeated &&
      now - seen->at <= hold_time + last_repeat)
    out.made->shown = profile::phantun;
  return out;
}

const acceptor::recent_syn* acceptor::recent_syn_of(const four_tuple& tuple) const noexcept {
  if (recent_.empty()) return nullptr;
  const auto hash = early_.hash_function()(tuple);
  const auto& seen = recent_[hash % recent_.size()];
  return seen.tuple == hash && seen.at != time_point::min() ? &seen : nullptr;
}

/// Counts a wrong guess, and answers it all the same: it may be a client of an earlier server
/// process.
stray_answer acceptor::refuse_guess(const segment_repr& in, const served_port& port,
                                    guess_kind kind, std::uint32_t guess, time_point now) noexcept {
  if (port.groups != nullptr) port.groups->wrong_guess(in.tuple.remote.address, kind, guess, now);
  return refuse(in, errc::wrong_token, now);
}

stray_answer acceptor::refuse(const segment_repr& in, std::optional<errc> reason,
                              time_point now) noexcept {
  if (!resets_.take(now)) return ignore_stray{errc::rst_limited};
  auto out = reset_for(in);
  // tonel's probe, or a datagram whose ack field a probe has spoilt: a RST made from that ack would
  // have sequence number 0 or 1, which trackers drop. If no datagram was sent so far, this RST
  // passes.
  const auto* port = port_of(in);
  if (port != nullptr && port->legacy && in.ack.raw <= 1 && !in.has(flag::syn) && in.has(flag::ack))
    out.seq = seq_num{cookie_.token(in.tuple, {}, now)} + 1;
  return reply_stray{out, reason};
}

/// A segment of no stream whose sender has seen our SYN-ACK, so that its address is its own.
stray_answer acceptor::on_proven(const segment_repr& in, byte_view payload, seq_num iss,
                                 time_point now) {
  if (in.has(flag::fin)) {
    // DEVIATION RFC 9293 §3.6: no LAST-ACK, and the FIN is never repeated, since nothing was
    // opened.
    release(in.tuple);
    return reply_stray{answer_to(in, in.ack, in.end(), flag::fin | flag::ack), std::nullopt};
  }
  if (payload.empty() && !in.has(flag::psh)) return ignore_stray{}; // the third ACK
  if (const auto found = find_hello(payload, in.datagram_size)) {
    if (!found->hello) {
      release(in.tuple);
      return refuse(in, found->hello.error(), now);
    }
    accept_stream out;
    out.hello = *found->hello;
    out.iss = iss;
    // The SYN was not remembered: the hello's offset shows the client's initial sequence number.
    out.client_iss = in.seq + found->at - out.hello.offset - 1;
    if (shows_proxy(*found, in.window, out.client_iss, iss))
      return on_proxied(in, out.hello, out.client_iss, iss, now);
    out.held = release(in.tuple);
    return out;
  }
  if (!hold(in, payload, now)) return ignore_stray{errc::hold_full};
  return ignore_stray{};
}

/// Answers a hello that came through a proxy: our hello tells its client how the server sees the
/// path.
stray_answer acceptor::on_proxied(const segment_repr& in, const hello_repr& hello,
                                  seq_num client_iss, seq_num iss, time_point now) noexcept {
  release(in.tuple);
  // Without the secret the client would not believe our hello. Refused, it introduces the session.
  if (!hello.introduces) return refuse(in, errc::path_ends_tcp, now);
  if (!resets_.take(now)) return ignore_stray{errc::rst_limited};
  auto ours = hello;
  ours.introduces = false;
  ours.tcp_ends = true;
  ours.capabilities = 0;
  ours.offset = 0;
  ours.control_length = hello_size;
  ours.client_iss = client_iss;
  ours.server_iss = iss;
  ours.mtu = config_.mtu;
  constexpr auto size = static_cast<std::uint32_t>(hello_size);
  return refuse_path{answer_to(in, iss + 1, in.end(), flag::psh | flag::ack),
                     encode_hello(ours, hello.secret),
                     answer_to(in, iss + 1 + size, in.end(), flag::fin | flag::ack)};
}

bool acceptor::hold(const segment_repr& in, byte_view payload, time_point now) {
  const auto cost = payload.size() + bookkeeping;
  const auto found = early_.find(in.tuple);
  const bool fits = found == early_.end()
                        ? payload.size() <= max_held_bytes
                        : found->second.segments.size() < max_held_segments &&
                              found->second.payload_bytes + payload.size() <= max_held_bytes;
  if (!fits || held_bytes_ + cost > most_held || expiries_.size() >= most_expiries) return false;

  auto& kept = found == early_.end() ? early_[in.tuple] : found->second;
  if (kept.segments.empty()) {
    kept.until = now + hold_time;
    expiries_.emplace_back(kept.until, in.tuple);
  }
  kept.segments.push_back({in, {payload.begin(), payload.end()}});
  kept.payload_bytes += static_cast<std::uint32_t>(payload.size());
  held_bytes_ += cost;
  return true;
}

std::vector<held_segment> acceptor::release(const four_tuple& tuple) noexcept {
  const auto found = early_.find(tuple);
  if (found == early_.end()) return {};
  auto out = std::move(found->second.segments);
  held_bytes_ -= found->second.payload_bytes + out.size() * bookkeeping;
  early_.erase(found);
  return out;
}

std::vector<segment_header> acceptor::on_timer(time_point now) {
  std::vector<segment_header> out;
  for (; !expiries_.empty() && expiries_.front().first <= now; expiries_.pop_front()) {
    const auto& [until, tuple] = expiries_.front();
    const auto found = early_.find(tuple);
    if (found == early_.end() || found->second.until != until) continue;
    const auto kept = release(tuple);
    auto highest = kept.front().segment;
    for (const auto& [segment, payload] : kept)
      if (segment.end() > highest.end()) highest = segment;
    const auto* port = port_of(highest);
    const bool silent = port != nullptr && !port->serves(highest.tuple.remote.address);
    if (!silent && resets_.take(now)) out.push_back(reset_for(highest));
  }
  return out;
}

std::vector<late_answer> acceptor::answer_joins(time_point now) {
  std::vector<late_answer> out;
  if (joins_.empty() || now < joins_at_) return out;
  const auto waits = [&](const early_join& j) { return j.until > now && lacks_group(j.syn); };
  const auto over = std::stable_partition(joins_.begin(), joins_.end(), waits);
  for (auto it = over; it != joins_.end(); ++it) {
    const auto* port = port_of(it->syn);
    stray_answer what = ignore_stray{errc::not_allowed};
    if (port == nullptr)
      what = refuse(it->syn, errc::no_stream, now);
    else if (port->serves(it->syn.tuple.remote.address))
      what = on_legacy_syn(it->syn, *port, now);
    out.push_back({it->syn, std::move(what)});
  }
  joins_.erase(over, joins_.end());
  joins_at_ = now + join_interval;
  return out;
}

std::optional<time_point> acceptor::deadline() const noexcept {
  auto at = expiries_.empty() ? time_point::max() : expiries_.front().first;
  if (!joins_.empty()) at = std::min(at, joins_at_);
  if (at == time_point::max()) return std::nullopt;
  return at;
}

} // namespace tonel::protocol
