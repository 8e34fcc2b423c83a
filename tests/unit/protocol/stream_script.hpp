#pragma once

#include "protocol/stream.hpp"

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

// Runs a stream through a table of events and compares its effects, in the short notation of packet
// traces: "PA 1:49(100)" is PSH and ACK, seq 1, ack 49, 100 octets of payload. Sequence numbers
// count from each end's initial one, so that a table holds wherever they start.
namespace tonel::test {

/// One row: a time, an event, and the effects of the stream.
/// Shape: events
///   open                       the client's start
///   in FLAGS SEQ:ACK(LEN)      a segment of zeros; "/N" behind it: merged from segments of N; " =":
///                              with the window of the last keepalive, as its answer has; " -":
///                              without window scale
///   raw FLAGS SEQ:ACK(LEN)     a segment with absolute numbers; behind it " native" for a SYN of Linux
///   hello FLAGS SEQ:ACK(LEN)   the peer's hello at the start of LEN octets (76 or more); "@N": at offset N
///   send LEN                   one datagram, if admitted; "!" behind it: last of its batch
///   run LEN COUNT              COUNT datagrams of LEN
///   timer                      the deadline, which must be exactly now
///   resume, close, exit, reset, supersede, big SEQ MTU, lost SEQ (ICMP: not delivered)
/// Between two rows no deadline may pass, so that a table names all timers.
struct row {
  std::chrono::milliseconds at;
  const char* event;
  const char* expected;
};

/// In answers "probe" and "reply" are tonel's keepalive and the answer to it.
/// The ends' numbers and options.
struct script_setup {
  bool client = true;
  std::uint32_t iss = 1'000; ///< of the stream under test
  std::uint32_t irs = 5'000; ///< of the peer
  std::chrono::seconds keepalive{0};
  std::chrono::seconds idle_timeout{0};
  bool last_port = false;
  bool first_port = false;
  std::size_t handshake_packet = 0; ///< octets; the peer's hello then is expected to have none
  std::uint16_t mtu = 1'500;
  std::uint16_t peer_mtu = 1'500; ///< in its hello
  std::uint16_t peer_mss = 1'460; ///< in its SYN-ACK
  std::uint16_t peer_window = 64'240;
  bool v6 = false;
  std::shared_ptr<protocol::fellows> fellows = nullptr;
  // Legacy dialects. A client's iss is then its join token.
  protocol::profile wire = protocol::profile::native;
  bool detect_legacy = false;
  const protocol::syn_cookie* cookie = nullptr;
  bool limited_answers = false;
};

class stream_script {
public:
  explicit stream_script(const script_setup& setup);
  /// Checks with Boost.Test.
  void run(std::initializer_list<row> rows);

  protocol::stream& under_test() { return stream_; }
  const protocol::stream_config& config() const { return config_; }
  protocol::time_point now() const { return now_; }
  /// The header of the last segment sent.
  const protocol::segment_header& last_header() const { return last_; }
  const std::vector<std::uint8_t>& last_payload() const { return last_payload_; }
  std::string step(const char* event);
  /// The effects in the notation above, joined by " | ".
  std::string describe(const protocol::effects& effects);

  /// Initial sequence numbers for tables, which have to hold wherever numbers wrap.
  static std::vector<script_setup> everywhere(const script_setup& setup);

private:
  std::string describe(const protocol::segment_header& header, std::size_t length);
  protocol::effects receive(const std::string& event, bool hello);
  protocol::effects receive_raw(const std::string& event);

  script_setup setup_;
  protocol::stream_config config_;
  protocol::stream stream_;
  protocol::time_point now_{};
  protocol::segment_header last_;
  std::vector<std::uint8_t> last_payload_;
  std::uint16_t question_ = 65'535; ///< the window of the last keepalive
};

/// Runs the tables one after the other, from each of everywhere().
void run_everywhere(const script_setup& setup, std::initializer_list<row> opening,
                    std::initializer_list<row> rows = {});

/// The same for a server's stream that has answered the hello at 0 ms and is open at the time given.
void run_open_server(script_setup setup, std::chrono::milliseconds open_at,
                     std::initializer_list<row> rows);

} // namespace tonel::test
