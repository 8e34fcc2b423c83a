#pragma once

#include <atomic>
#include <cstdint>

namespace tonel::protocol {

/// Limits what is sent to a legacy client until it has shown that it receives: three times the
/// octets that came from it. Its handshake proves 16 bits, which can be guessed with another's
/// address.
/// Shape:  one object for all streams of a session
/// Units:  octets of IP packets
/// Thread: one at a time; proven() any
/// Source: RFC 9000 §8.1
class answer_limit {
public:
  /// Octets came from the client.
  void received(std::uint64_t octets) noexcept { room_ += factor * octets; }
  /// Octets were sent to the client.
  void sent(std::uint64_t octets) noexcept { room_ -= octets < room_ ? octets : room_; }
  /// Octets that may be sent now.
  std::uint64_t room() const noexcept { return room_; }
  /// The client has acknowledged numbers that nobody can guess: no limit any more.
  void prove() noexcept { proven_.store(true, std::memory_order_relaxed); }
  bool proven() const noexcept { return proven_.load(std::memory_order_relaxed); }

private:
  static constexpr std::uint64_t factor = 3;
  std::uint64_t room_ = 0;
  std::atomic<bool> proven_ = false;
};

} // namespace tonel::protocol
