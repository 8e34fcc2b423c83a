#pragma once

#include "system/datagram_socket.hpp"
#include "system/packet_device.hpp"

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace tonel::sys {

/// Decides whether the next packet, or run of datagrams, is lost; null: none is.
using loss = std::function<bool()>;

/// A packet_device on a path that loses packets: nobody is told of one that is lost.
/// Owns: not the inner one, which outlives it
class lossy_packet_device final : public packet_device {
public:
  lossy_packet_device(packet_device& inner, loss read, loss written)
      : inner_(inner), read_(std::move(read)), written_(std::move(written)) {}

  int fd() const noexcept override { return inner_.fd(); }
  result<read_state> read(slab_writer& slabs, std::vector<received_packet>& out,
                          std::size_t max) override;
  write_tally write(const std::vector<outgoing_segment>& segments,
                    const std::vector<chunk>& chunks) override;
  bool offload() const noexcept override { return inner_.offload(); }
  void dropped(const chunk& packet, const char* reason) noexcept override {
    inner_.dropped(packet, reason);
  }

private:
  packet_device& inner_;
  loss read_, written_;
};

/// The same for a UDP socket.
class lossy_datagram_socket final : public datagram_socket {
public:
  lossy_datagram_socket(std::shared_ptr<datagram_socket> inner, loss received, loss sent)
      : inner_(std::move(inner)), received_(std::move(received)), sent_(std::move(sent)) {}

  int fd() const noexcept override { return inner_->fd(); }
  result<read_state> receive(slab_writer& slabs, std::vector<received_datagrams>& out,
                             std::size_t max) override;
  send_tally send(const std::vector<outgoing_run>& runs, const std::vector<chunk>& chunks) override;
  std::uint64_t receive_errors() const noexcept override { return inner_->receive_errors(); }

private:
  std::shared_ptr<datagram_socket> inner_;
  loss received_, sent_;
};

} // namespace tonel::sys
