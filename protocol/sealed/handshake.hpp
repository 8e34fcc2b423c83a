#pragma once

#include "protocol/bytes.hpp"
#include "protocol/sealed/crypto.hpp"
#include "protocol/sealed/identity.hpp"
#include "protocol/sealed/key_schedule.hpp"
#include "protocol/time.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace tonel::protocol::sealed {

/// What an event of a handshake asks of its shell, in this order.
/// Owns: nothing: `send` lives until the next event
struct handshake_step {
  byte_view send;       ///< to be sent in one segment, or empty
  std::uint64_t at = 0; ///< its position
  bool hold = false;    ///< octets before those given are missing: give them again after those
  bool done = false;    ///< said once: both ends know the key, and outcome() is there
  handshake_failure failed = handshake_failure::none; ///< nothing more will come of it
};

/// What both ends have when a handshake is done.
struct handshake_outcome {
  suite cipher = suite::aes_128_gcm;
  secret to_server; ///< for the sealer and opener of each direction
  secret to_client;
};

/// The handshake of a sealed stream at one end: the first octets of each direction.
/// Shape:  a client sends its first flight by open(), gets the server's flight, is done and sends the
///         second; a server answers the first flight and is done by the second. Each flight is the same
///         octets at the same position whenever it is sent
/// Units:  positions are octets since the SYN, as in flow::sequence_space
/// Owns:   the state of TLS until it is done or has failed, then the last flight alone; refers to the
///         crypto, which outlives it
class handshake {
public:
  /// For all of it, at either end.
  static constexpr duration patience = std::chrono::seconds{10};
  /// A flight of the peer's may have so many octets with those before it: ours have far fewer, those of
  /// a TLS server that shows its certificates a few thousand.
  static constexpr std::size_t most_octets = 16'384;

  /// A client's. said: the identity, sealed
  static handshake connect(crypto& c, const secret& key, std::vector<std::uint8_t> said,
                           std::string_view server_name, suite preferred, time_point now);
  /// A server's, for the client whose first flight has this identity; give it that flight by
  /// on_octets().
  static handshake accept(crypto& c, const secret& key, byte_view said, time_point now);

  /// Client: the first flight.
  handshake_step open();
  /// Octets of the peer that begin at this position. What has been seen before is answered by the last
  /// flight, which the peer lacks. Once it is done, octets from peer_control() on are data.
  handshake_step on_octets(std::uint64_t at, byte_view octets);
  handshake_step on_timer(time_point now);
  /// The last flight once more; none as long as nothing was sent.
  handshake_step repeat() const noexcept;
  /// time_point::max(): no timer is needed.
  time_point deadline() const noexcept;

  bool is_over() const noexcept { return !end_; }
  /// Once done.
  const std::optional<handshake_outcome>& outcome() const noexcept { return outcome_; }
  /// Octets of control in our direction, as far as they are known; all of them once done.
  std::uint64_t own_control() const noexcept { return last_flight_at_ + last_flight_.size(); }
  /// Once done: octets of control in the peer's direction.
  std::uint64_t peer_control() const noexcept { return peer_control_; }

private:
  handshake(std::unique_ptr<tls_end> end, bool client, time_point now)
      : end_(std::move(end)), until_(now + patience), client_(client) {}

  handshake_step take(byte_view octets);
  handshake_step fail(handshake_failure why) noexcept;
  bool finish();

  std::unique_ptr<tls_end> end_; ///< null: done, or failed
  std::vector<std::uint8_t> last_flight_;
  std::uint64_t last_flight_at_ = 0;
  std::uint64_t received_ = 0; ///< octets taken, without a gap
  std::uint64_t peer_control_ = 0;
  time_point until_;
  std::optional<handshake_outcome> outcome_;
  bool client_;
  bool failed_ = false;
};

} // namespace tonel::protocol::sealed
