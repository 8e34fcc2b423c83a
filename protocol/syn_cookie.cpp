#include "protocol/acceptor.hpp"
#include "protocol/profile.hpp"
#include "protocol/siphash.hpp"

#include <algorithm>
#include <chrono>

namespace tonel::protocol {

namespace {

constexpr std::chrono::minutes key_life{15};
constexpr std::chrono::minutes legacy_handshake{1};

std::uint64_t epoch_of(time_point now) noexcept {
  return static_cast<std::uint64_t>(now.time_since_epoch() / key_life);
}

} // namespace

/// The epoch's key. It is derived, not drawn, so that every queue of the process has the same key.
const syn_cookie::key& syn_cookie::key_of(std::uint64_t epoch) const noexcept {
  auto& known = keys_[epoch % keys_.size()];
  if (known.epoch == epoch) return known.value;
  known.epoch = epoch;
  std::array<std::uint8_t, 9> input{};
  store_be64(input, 0, epoch);
  for (std::uint8_t half = 0; half < 2; ++half) {
    input[8] = half;
    store_be64(known.value, std::size_t{8} * half, siphash24(secret_, input));
  }
  return known.value;
}

// DEVIATION RFC 6528 §3: of the clock only the key's epoch enters. A repeated SYN must get the same
// number, or trackers call a client invalid that follows the second answer.
seq_num syn_cookie::cookie(const four_tuple& tuple, std::uint64_t epoch) const noexcept {
  return native_isn(static_cast<std::uint32_t>(siphash24(key_of(epoch), octets_of(tuple))));
}

std::uint16_t syn_cookie::token_of(const four_tuple& tuple, seq_num syn,
                                   std::uint64_t epoch) const noexcept {
  std::array<std::uint8_t, 40> input{};
  const auto ends = octets_of(tuple);
  std::copy(ends.begin(), ends.end(), input.begin());
  store_be32(input, ends.size(), syn.raw);
  return static_cast<std::uint16_t>(1 + siphash24(key_of(epoch), input) % 65'535);
}

std::uint16_t syn_cookie::token(const four_tuple& tuple, seq_num syn,
                                time_point now) const noexcept {
  return token_of(tuple, syn, epoch_of(now));
}

bool syn_cookie::proves_token(const four_tuple& tuple, seq_num syn, seq_num ack,
                              time_point now) const noexcept {
  if (ack.raw < 2 || ack.raw > 65'536) return false;
  const auto epoch = epoch_of(now);
  if (token_of(tuple, syn, epoch) == ack.raw - 1) return true;
  // The token of the last epoch counts for seconds only, since it doubles the chance of a guess.
  const bool just_changed = now.time_since_epoch() % key_life < legacy_handshake;
  return just_changed && epoch > 0 && token_of(tuple, syn, epoch - 1) == ack.raw - 1;
}

seq_num syn_cookie::isn(const four_tuple& tuple, time_point now) const noexcept {
  return cookie(tuple, epoch_of(now));
}

std::optional<seq_num> syn_cookie::proven(const four_tuple& tuple, seq_num ack,
                                          time_point now) const noexcept {
  const auto epoch = epoch_of(now);
  if (const auto isn = cookie(tuple, epoch); isn + 1 == ack) return isn;
  if (epoch == 0) return std::nullopt;
  if (const auto isn = cookie(tuple, epoch - 1); isn + 1 == ack) return isn;
  return std::nullopt;
}

} // namespace tonel::protocol
