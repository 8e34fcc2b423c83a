#include "protocol/acceptor.hpp"

#include "protocol/run.hpp"

#include <chrono>

namespace tonel::protocol {

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t resets_per_second = 1'000;
constexpr std::size_t most_held = std::size_t{4} << 20;
constexpr auto hold_time = 3s;

/// What a held segment costs beside its payload; without it, empty ones would cost nothing.
constexpr std::size_t bookkeeping = sizeof(held_segment);
/// Expiries outlast what was released; data and FIN in turns must not pile them up.
constexpr std::size_t most_expiries = most_held / bookkeeping;

bool contradictory(const segment_repr& in) noexcept {
  const bool syn = in.has(flag::syn);
  return (syn && in.has(flag::fin)) || (!syn && !in.has(flag::ack));
}

/// A RST that the sender of `in` and all trackers on the way accept: it takes the place of the
/// segment that `in` acknowledges.
/// Source: RFC 9293 §3.10.7.1
segment_header reset_for(const segment_repr& in) noexcept {
  constexpr std::uint8_t flags = flag::rst | flag::ack;
  auto out = answer_to(in, in.has(flag::ack) ? in.ack : seq_num{}, in.end(), flags);
  out.window = 0;
  return out;
}

} // namespace

acceptor::acceptor(const acceptor_config& config)
    : config_(config), cookie_(config.secret), resets_(resets_per_second),
      early_(0, address_hash{siphash24(config.secret, {})}) {}

stray_answer acceptor::on_stray(const segment_repr& in, byte_view payload, time_point now) {
  if (in.has(flag::rst)) return ignore_stray{};
  if (contradictory(in)) return ignore_stray{errc::bad_flags};
  const bool ours = config_.listen_port != 0 && in.tuple.local.port == config_.listen_port;
  if (!ours || (in.has(flag::syn) && in.has(flag::ack))) return refuse(in, errc::no_stream, now);
  if (in.has(flag::syn)) return syn_ack(in, now);

  if (const auto iss = cookie_.proven(in.tuple, in.ack, now))
    return on_proven(in, payload, *iss, now);
  // The end of a health check: an empty ACK of the FIN that answered its own.
  if (in.payload_length == 0 && !in.has(flag::fin) && cookie_.proven(in.tuple, in.ack - 1, now))
    return ignore_stray{};
  return refuse(in, errc::unproven, now);
}

/// Whatever its options are: a health check's SYN need not look like ours.
reply_stray acceptor::syn_ack(const segment_repr& in, time_point now) const noexcept {
  auto out = answer_to(in, cookie_.isn(in.tuple, now), in.seq + 1, flag::syn | flag::ack);
  out.mss = mss_for(config_.mtu, in.tuple.local.address.is_v4());
  out.window = syn_window(out.mss);
  return {out, std::nullopt};
}

stray_answer acceptor::refuse(const segment_repr& in, std::optional<errc> reason,
                              time_point now) noexcept {
  if (!resets_.take(now)) return ignore_stray{errc::rst_limited};
  return reply_stray{reset_for(in), reason};
}

/// The sender has seen our SYN-ACK, so the address is its own.
stray_answer acceptor::on_proven(const segment_repr& in, byte_view payload, seq_num iss,
                                 time_point now) {
  if (in.has(flag::fin)) {
    // DEVIATION RFC 9293 §3.6: closed without LAST-ACK, as nothing was opened: never repeated.
    release(in.tuple);
    return reply_stray{answer_to(in, in.ack, in.end(), flag::fin | flag::ack), std::nullopt};
  }
  if (payload.empty() && !in.has(flag::psh)) return ignore_stray{}; // the handshake's third
  if (const auto found = find_hello(payload, in.datagram_size)) {
    accept_stream out;
    out.hello = found->hello;
    out.iss = iss;
    // Nothing was kept of the SYN: the hello's offset tells where its sender began.
    out.client_iss = in.seq + found->at - found->hello.offset - 1;
    out.held = release(in.tuple);
    return out;
  }
  return hold(in, payload, now);
}

stray_answer acceptor::hold(const segment_repr& in, byte_view payload, time_point now) {
  const auto cost = payload.size() + bookkeeping;
  const auto found = early_.find(in.tuple);
  const bool fits = found == early_.end()
                        ? payload.size() <= max_held_bytes
                        : found->second.segments.size() < max_held_segments &&
                              found->second.payload_bytes + payload.size() <= max_held_bytes;
  if (!fits || held_bytes_ + cost > most_held || expiries_.size() >= most_expiries)
    return ignore_stray{errc::hold_full};

  auto& kept = found == early_.end() ? early_[in.tuple] : found->second;
  if (kept.segments.empty()) {
    kept.until = now + hold_time;
    expiries_.emplace_back(kept.until, in.tuple);
  }
  kept.segments.push_back({in, {payload.begin(), payload.end()}});
  kept.payload_bytes += static_cast<std::uint32_t>(payload.size());
  held_bytes_ += cost;
  return ignore_stray{};
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
    if (resets_.take(now)) out.push_back(reset_for(highest));
  }
  return out;
}

std::optional<time_point> acceptor::deadline() const noexcept {
  if (expiries_.empty()) return std::nullopt;
  return expiries_.front().first;
}

} // namespace tonel::protocol
