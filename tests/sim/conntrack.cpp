#include "tests/sim/conntrack.hpp"

#include <algorithm>

namespace tonel::sim {

using namespace protocol;

namespace {

constexpr bool before(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b) < 0;
}
constexpr bool after(std::uint32_t a, std::uint32_t b) { return before(b, a); }

/// The least room for late ACKs.
constexpr std::uint32_t least_ack_window = 66'000;
/// Every SYN of ours has this option.
constexpr std::uint8_t our_scale = 14;

} // namespace

std::string conntrack::see(const packet& p) {
  const auto flags = p.header.flags;
  const bool syn = (flags & flag::syn) != 0, ack = (flags & flag::ack) != 0;
  const bool fin = (flags & flag::fin) != 0, rst = (flags & flag::rst) != 0;
  auto& e = entries_[p.client_port()];

  if (syn && rst) return "flags";
  if (syn && !ack) {
    if (!p.from_client) return "SYN the wrong way";
    if (e.now == state::close || e.now == state::time_wait) e = entry{};
    if (e.now == state::none) e.now = state::syn_sent;
    // Of a connection that is set up already: passed on without a look, the answer decides.
    if (e.now != state::syn_sent) {
      e.ignored_syn = true;
      e.ignored_syn_end = p.header.seq.raw + 1;
      e.syn = p;
      return {};
    }
    return check_window(e, p);
  }
  if (e.now == state::none) return "no connection";
  if (syn) {
    return p.from_client ? "SYN-ACK the wrong way" : on_syn_ack(e, p);
  }
  const auto& other = e.sides[p.from_client ? 1 : 0];
  if (rst) {
    if (other.acked && before(p.header.seq.raw, other.max_ack)) return "RST below the highest ACK";
    auto why = check_window(e, p);
    if (why.empty() && (!other.acked || p.header.seq.raw == other.max_ack)) e.now = state::close;
    return why;
  }
  if (!ack) return "flags";
  if (e.now == state::syn_sent) return p.from_client ? "ACK before SYN-ACK" : "";
  auto why = check_window(e, p);
  if (!why.empty()) return why;
  if (e.now == state::syn_recv && p.from_client) e.now = state::established;
  if (fin) e.now = e.now == state::closing ? state::time_wait : state::closing;
  return {};
}

std::string conntrack::on_syn_ack(entry& e, const packet& p) {
  if (e.now != state::syn_sent) {
    // It answers the SYN that was let through: the ends have begun anew.
    if (!e.ignored_syn || p.header.ack.raw != e.ignored_syn_end) return {};
    const auto syn = e.syn;
    e = entry{};
    e.now = state::syn_sent;
    check_window(e, syn);
  }
  auto why = check_window(e, p);
  if (why.empty()) e.now = state::syn_recv;
  return why;
}

std::string conntrack::check_window(entry& e, const packet& p) const {
  auto& sender = e.sides[p.from_client ? 0 : 1];
  auto& receiver = e.sides[p.from_client ? 1 : 0];
  const bool syn = (p.header.flags & flag::syn) != 0, fin = (p.header.flags & flag::fin) != 0;
  const bool has_ack = (p.header.flags & flag::ack) != 0;
  auto seq = p.header.seq.raw;
  auto end = seq + static_cast<std::uint32_t>(p.payload.size()) + (syn ? 1u : 0u) + (fin ? 1u : 0u);
  auto window = std::uint32_t{p.header.window};

  if (!sender.seen) {
    // Nothing is picked up in the middle; a SYN may be answered by a RST, though.
    if (!syn && (p.header.flags & flag::rst) == 0) return "no SYN of this side";
    sender.seen = true;
    sender.end = end;
    sender.max_window = std::max(window, 1u);
    sender.max_end = end + sender.max_window;
    sender.scale = our_scale;
    if (!has_ack) return {};
  }
  const auto ack = has_ack ? p.header.ack.raw : receiver.end;
  if ((p.header.flags & flag::rst) != 0 && seq == 0) seq = end = sender.end;

  // The four bounds.
  if (!before(seq, sender.max_end + 1)) return "SEQ over the window of the receiver";
  if (!before(ack, receiver.end + 1)) return "ACK of what was not seen";
  const auto delayed = [this](const char* why) { return ignore_delayed_ ? "" : why; };
  if (receiver.seen && !after(end, sender.end - receiver.max_window - 1))
    return delayed("SEQ under the lower bound");
  if (!after(ack, receiver.end - std::max(sender.max_window, least_ack_window) - 1))
    return delayed("ACK under the lower bound");

  if (!syn) window <<= sender.scale;
  sender.max_window = std::max(sender.max_window, window);
  if (after(end, sender.end)) {
    sender.end = end;
    sender.data_unacknowledged = true;
  }
  if (has_ack && (!sender.acked || after(ack, sender.max_ack))) {
    sender.acked = true;
    sender.max_ack = ack;
  }
  if (receiver.seen && after(end, sender.max_end)) receiver.max_window += end - sender.max_end;
  if (after(ack + window, receiver.max_end - 1))
    receiver.max_end = ack + window + (window == 0 ? 1u : 0u);
  if (ack == receiver.end) receiver.data_unacknowledged = false;
  return {};
}

bool conntrack::unacknowledged(std::uint16_t client_port) const {
  const auto found = entries_.find(client_port);
  return found != entries_.end() &&
         (found->second.sides[0].data_unacknowledged || found->second.sides[1].data_unacknowledged);
}

bool conntrack::closed(std::uint16_t client_port) const {
  const auto found = entries_.find(client_port);
  return found == entries_.end() || found->second.now == state::time_wait ||
         found->second.now == state::close;
}

} // namespace tonel::sim
