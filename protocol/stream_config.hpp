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

/// Shared by the streams of one session, which are each other's fellows. A stream that is not
/// answered while its fellows are is found out much sooner than a silent peer.
/// Thread: that of its streams, which share it
struct fellows {
  /// When a stream last learnt that its segments arrive.
  time_point answered = time_point::min();
  duration trip{}; ///< the longest round trip of late

  /// A stream has measured its round trip.
  void measured(duration sample) noexcept { trip = sample > trip ? sample : trip - trip / 8; }
};

/// The settings of a stream, random values included.
struct stream_config {
  four_tuple tuple;
  seq_num iss;              ///< client: client_isn(); server: the SYN cookie
  std::uint16_t ip_id = 0;  ///< the first IPv4 ID, random
  std::uint16_t mtu = 1500; ///< of the TUN, octets
  /// Client: from session_claims. Server: only the secret is used, the rest comes from the hello.
  session_claim session;
  std::uint8_t stream_index = 0;
  std::uint8_t stream_count = 1;
  duration keepalive = std::chrono::seconds{20};     ///< client: K, 0 is off; the server learns it
  duration idle_timeout = std::chrono::seconds{180}; ///< 0: never idle
  /// xor_cipher::mark() of the tunnel's, for the peer to compare; 0: datagrams go as they are.
  std::uint64_t key_mark = 0;
  /// Client: no other port is tried after this one, so an unanswered handshake gives
  /// ended{timed_out} instead of try_new_port.
  bool last_port = false;
  /// Legacy client: this is the first port, which is given up sooner than others: each port gets
  /// one SYN, and datagrams wait.
  bool first_port = false;
  /// Sent ahead of the hello in a segment of its own; null: none.
  std::shared_ptr<const std::vector<std::uint8_t>> handshake_packet;
  /// The shard's budget for challenge ACKs; outlives the stream. Without it a stream sends one in 5
  /// s, with it one in 500 ms.
  random_rate_limit* challenge_limit = nullptr;
  /// Random and secret: makes the numbers that the stream asks its peer to repeat.
  std::uint64_t seed = 0;

  /// Native: shared with the other streams of the session. Null: the only stream.
  std::shared_ptr<protocol::fellows> fellows;

  /// Client: the dialect to speak; legacy: sends tonel's SYN, and the SYN-ACK shows which it is.
  /// Server: from the acceptor.
  profile wire = profile::native;
  /// Legacy client: the group to join, by the group_token() of its first stream; 0: none. It is the
  /// initial sequence number in place of iss.
  std::uint16_t join_token = 0;
  /// Native client: a legacy SYN-ACK gives peer_is_legacy, instead of being accepted.
  bool detect_legacy = false;
  /// Server: answers the SYN of a client that starts anew from the same port; outlives the stream.
  /// Without it a native client has to repeat its SYN.
  const syn_cookie* cookie = nullptr;
  /// Legacy server: limits what is sent before the client has proven itself; null: no limit.
  std::shared_ptr<answer_limit> answers;
};

} // namespace tonel::protocol
