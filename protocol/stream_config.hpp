#pragma once

#include "protocol/answer_limit.hpp"
#include "protocol/packet.hpp"
#include "protocol/profile.hpp"
#include "protocol/rate_limit.hpp"
#include "protocol/seq.hpp"
#include "protocol/session_proof.hpp"
#include "protocol/time.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace tonel::protocol {

class syn_cookie;

/// What the streams of one session know of each other: that of one alone nothing comes back is found
/// out far sooner than that of all.
/// Thread: that of its streams, which share it
struct fellows {
  time_point answered =
      time_point::min(); ///< when one of them last learnt that what it sends arrives
  duration trip{};       ///< the longest round trip of late

  void measured(duration sample) noexcept { trip = sample > trip ? sample : trip - trip / 8; }
};

/// What a stream is started with; randomness is among it.
struct stream_config {
  four_tuple tuple;
  seq_num iss;              ///< client: client_isn(); server: the SYN cookie
  std::uint16_t ip_id = 0;  ///< where the IPv4 ID starts
  std::uint16_t mtu = 1500; ///< of the TUN
  /// Client: what session_claims say. Server: the secret alone, the rest is the hello's.
  session_claim session;
  std::uint8_t stream_index = 0;
  std::uint8_t stream_count = 1;
  duration keepalive = std::chrono::seconds{20};     ///< client: K, 0 is off; the server learns it
  duration idle_timeout = std::chrono::seconds{180}; ///< 0: never idle
  /// Client: no other port is tried after this one, so that a handshake without answer ends in
  /// ended{timed_out} and not in try_new_port.
  bool last_port = false;
  /// Client of an older dialect: the first port, which is left sooner than others. There is one SYN
  /// a port, and datagrams wait.
  bool first_port = false;
  /// Goes out ahead of the hello in a segment of its own; none by default.
  std::shared_ptr<const std::vector<std::uint8_t>> handshake_packet;
  /// The shard's budget for challenge ACKs; it outlives the stream. Without one a stream has one per
  /// 5 s, with it one per 500 ms.
  random_rate_limit* challenge_limit = nullptr;
  /// Random and secret: what the stream asks its peer to repeat is drawn from it.
  std::uint64_t seed = 0;

  /// Native, one of several of its session: what these share. None: it is the only one.
  std::shared_ptr<protocol::fellows> fellows;

  /// Client: the dialect to speak; legacy: tonel's SYN, and the SYN-ACK tells which of the two.
  /// Server: what the acceptor said.
  profile wire = profile::native;
  /// Client of a tonel server: the group to join, the group_token() of its first stream; 0: none. The
  /// older dialects' initial sequence numbers are these, and iss is not looked at.
  std::uint16_t join_token = 0;
  /// Native client: a SYN-ACK of an older dialect is told by peer_is_legacy instead of taken.
  bool detect_legacy = false;
  /// Server: answers the SYN of a peer that starts anew from the same port; without one a native
  /// peer's has to be repeated. It outlives the stream.
  const syn_cookie* cookie = nullptr;
  /// Server, older dialects: what the session may be told before its client has shown that it is there;
  /// none: all.
  std::shared_ptr<answer_limit> answers;
};

} // namespace tonel::protocol
