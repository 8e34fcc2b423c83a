#pragma once

#include <atomic>
#include <cstdint>

namespace tonel::protocol {

/// What may be said to an older client that has not shown yet that it sees what is sent to it: three times
/// what it has said itself. Its handshake proves 16 bits, which can be guessed in another's name.
/// Shape:  one for all streams of a session
/// Units:  octets of IP packets
/// Thread: one at a time, but for proven()
/// Source: RFC 9000 §8.1
class answer_limit {
public:
  void received(std::uint64_t octets) noexcept { room_ += factor * octets; }
  void sent(std::uint64_t octets) noexcept { room_ -= octets < room_ ? octets : room_; }
  std::uint64_t room() const noexcept { return room_; }
  /// It has acknowledged what nobody can guess.
  void prove() noexcept { proven_.store(true, std::memory_order_relaxed); }
  bool proven() const noexcept { return proven_.load(std::memory_order_relaxed); }

private:
  static constexpr std::uint64_t factor = 3;
  std::uint64_t room_ = 0;
  std::atomic<bool> proven_ = false;
};

} // namespace tonel::protocol
