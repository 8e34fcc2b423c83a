#pragma once

#include "protocol/address.hpp"
#include "protocol/packet.hpp"
#include "system/datagram_socket.hpp"
#include "system/kernel.hpp"
#include "system/packet_device.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

namespace tonel::sys {

/// A descriptor that is readable as long as there is something to read.
class readiness {
public:
  readiness();
  int fd() const noexcept { return event_.get(); }
  void set(bool ready) noexcept;

private:
  descriptor event_;
  std::atomic<bool> ready_{false}; ///< set by a test, cleared by the reading loop
};

/// A queue of a TUN in memory: gives the packets that a test pushes, and keeps written ones.
class memory_packet_device final : public packet_device {
public:
  /// A written segment or super-segment.
  struct written_segment {
    protocol::segment_header header;
    std::vector<std::uint8_t> payload;
    std::uint32_t datagram_size = 0;

    /// The whole IP packet, with complete checksums.
    std::vector<std::uint8_t> packet() const;
  };

  void push(std::vector<std::uint8_t> packet, protocol::offload_repr offload = {});
  /// Pushes a written segment as its peer receives it: checksum vouched for, borders marked.
  void push(const written_segment& segment);

  std::vector<written_segment> written;
  bool with_offload = true; ///< false: super-segments are written as singles
  bool full = false;        ///< every write is dropped
  /// Called at each written segment.
  std::function<void(const written_segment&)> on_write;
  /// The errno of the next read; 0: it works.
  int read_error = 0;
  /// Somebody has deleted it: what is written is dropped, until `made_again` says that there is another
  /// and renew() takes that.
  bool gone = false;
  bool made_again = false;

  int fd() const noexcept override { return readable_.fd(); }
  result<read_state> read(slab_writer& slabs, std::vector<received_packet>& out,
                          std::size_t max) override;
  write_tally write(const std::vector<outgoing_segment>& segments,
                    const std::vector<chunk>& chunks) override;
  bool offload() const noexcept override { return with_offload; }
  bool renew() override;
  /// Readable, as epoll says it of a queue without a device.
  void vanish();

private:
  struct incoming {
    std::vector<std::uint8_t> packet;
    protocol::offload_repr offload;
  };
  void keep(written_segment s);

  readiness readable_;
  std::deque<incoming> incoming_;
};

/// A UDP socket in memory: gives the datagrams that a test pushes, and keeps sent ones.
class memory_datagram_socket final : public datagram_socket {
public:
  /// One datagram, or a run of datagrams of datagram_size.
  struct datagrams {
    datagram_path path;
    std::vector<std::uint8_t> bytes;
    std::uint32_t datagram_size = 0;
  };

  void push(const protocol::endpoint& peer, std::vector<std::uint8_t> datagram);
  void push(datagrams d);

  std::vector<datagrams> sent;
  bool full = false;    ///< every send is dropped
  bool refused = false; ///< every send is refused
  int error = 0;        ///< what take_error() gives next
  std::uint16_t port = 0;
  std::function<void(const datagrams&)> on_send;

  int fd() const noexcept override { return readable_.fd(); }
  result<read_state> receive(slab_writer& slabs, std::vector<received_datagrams>& out,
                             std::size_t max) override;
  send_tally send(const std::vector<outgoing_run>& runs, const std::vector<chunk>& chunks) override;
  std::uint64_t receive_errors() const noexcept override { return 0; }
  int take_error() noexcept override { return std::exchange(error, 0); }
  std::uint16_t local_port() const noexcept override { return port; }

private:
  readiness readable_;
  std::deque<datagrams> incoming_;
};

} // namespace tonel::sys
