#include "tests/sim/network.hpp"

#include "protocol/run.hpp"

#include <algorithm>
#include <cmath>

namespace tonel::sim {

using namespace protocol;

network::network(std::uint64_t seed, const path_options& options)
    : random_(seed), options_(options) {
  if (options.newer_trackers)
    for (auto& t : trackers_)
      t.ignore_delayed();
}

bool network::likely(double probability) {
  return probability > 0 && std::uniform_real_distribution<double>{0, 1}(random_) < probability;
}

bool network::watch(std::size_t tracker, const packet& p, time_point now) {
  const auto why = trackers_[tracker].see(p);
  if (why.empty()) return true;
  ++invalid_packets_;
  if (!invalid_.empty()) return !options_.drop_invalid;
  invalid_ = why + ": tracker " + std::to_string(tracker) + ", from " +
             (p.from_client ? "client" : "server") + ", flags " + std::to_string(p.header.flags) +
             ", seq " + std::to_string(p.header.seq.raw) + ", ack " +
             std::to_string(p.header.ack.raw) + ", length " + std::to_string(p.payload.size()) +
             ", port " + std::to_string(p.client_port()) + ", at " +
             std::to_string(now.time_since_epoch() / std::chrono::milliseconds{1}) + " ms";
  return !options_.drop_invalid;
}

void network::send(bool from_client, const segment_header& header, byte_view payload,
                   std::uint32_t datagram_size, time_point now) {
  const auto length = static_cast<std::uint32_t>(payload.size());
  const auto count = datagrams_in(length, datagram_size);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto offset = i * datagram_size;
    packet p;
    p.from_client = from_client;
    p.header = nth_header(header, offset, static_cast<std::uint16_t>(i), i + 1 == count);
    const auto piece =
        payload.subview(offset, count == 1 ? length : std::min(datagram_size, length - offset));
    p.payload.assign(piece.begin(), piece.end());
    ++sent_;
    if (!watch(from_client ? 0 : 2, p, now)) continue;
    if (lose_ && lose_(p)) {
      ++lost_;
      continue;
    }
    onto_link(std::move(p), false, now);
  }
}

void network::onto_link(packet p, bool last, time_point now) {
  // Both links lose alike, so that together they lose what was asked for.
  const auto share = [](double whole) { return 1 - std::sqrt(1 - whole); };
  if (blackout_[p.from_client ? 1 : 0] || likely(share(options_.loss))) {
    ++lost_;
    return;
  }
  const int copies = likely(share(options_.duplicate)) ? 2 : 1;
  duplicated_ += copies == 2 ? 1 : 0;
  for (int i = 0; i < copies; ++i) {
    auto at = now + options_.delay / 2;
    if (options_.jitter > duration::zero())
      at += duration{
          std::uniform_int_distribution<duration::rep>{0, options_.jitter.count()}(random_)};
    auto& latest = latest_[last ? 1 : 0][p.from_client ? 1 : 0];
    if (likely(share(options_.reorder)) || i > 0) {
      const auto late = std::chrono::milliseconds{40};
      at += duration{std::uniform_int_distribution<duration::rep>{
          0, std::chrono::duration_cast<duration>(late).count()}(random_)};
    } else {
      latest = at = std::max(at, latest);
    }
    std::size_t slot = slots_.size();
    if (free_.empty()) {
      slots_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    slots_[slot] = i + 1 < copies ? p : std::move(p);
    hops_.push({at, order_++, slot, last});
  }
}

std::optional<time_point> network::next() const {
  if (hops_.empty()) return std::nullopt;
  return hops_.top().at;
}

std::vector<packet> network::advance(time_point now) {
  std::vector<packet> arrived;
  while (!hops_.empty() && hops_.top().at <= now) {
    const auto due = hops_.top();
    hops_.pop();
    auto p = std::move(slots_[due.slot]);
    free_.push_back(due.slot);
    if (due.last) {
      if (!watch(p.from_client ? 2 : 0, p, now)) continue;
      arrived.push_back(std::move(p));
    } else {
      if (!watch(1, p, now)) continue;
      onto_link(std::move(p), true, now);
    }
  }
  return arrived;
}

} // namespace tonel::sim
