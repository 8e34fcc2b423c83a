#pragma once

#include "system/decorators/decorator.hpp"

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace tonel::sys {

/// Decides whether the next packet or run of datagrams is lost; null: none is lost.
using loss = std::function<bool()>;

/// A packet_device on a path that loses packets without notice.
class lossy_packet_device final : public packet_device_decorator {
public:
  lossy_packet_device(packet_device& inner, loss read, loss written)
      : packet_device_decorator(inner), read_(std::move(read)), written_(std::move(written)) {}

  result<read_state> read(slab_writer& slabs, std::vector<received_packet>& out,
                          std::size_t max) override;
  write_tally write(const std::vector<outgoing_segment>& segments,
                    const std::vector<chunk>& chunks) override;

private:
  loss read_, written_;
};

/// A UDP socket on a path that loses datagrams without notice.
class lossy_datagram_socket final : public datagram_socket_decorator {
public:
  lossy_datagram_socket(std::shared_ptr<datagram_socket> inner, loss received, loss sent)
      : datagram_socket_decorator(std::move(inner)), received_(std::move(received)),
        sent_(std::move(sent)) {}

  result<read_state> receive(slab_writer& slabs, std::vector<received_datagrams>& out,
                             std::size_t max) override;
  send_tally send(const std::vector<outgoing_run>& runs, const std::vector<chunk>& chunks) override;

private:
  loss received_, sent_;
};

} // namespace tonel::sys
