#pragma once

#include "system/kernel.hpp"
#include "system/packet_device.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

struct iovec;

namespace tonel::sys {

/// The one queue of a macOS utun device.
/// Shape: four octets stand before each packet, its address family in network byte order; there is
///        no offload, so each packet is one segment with a whole checksum
class utun_queue final : public packet_device {
public:
  utun_queue(kernel& k, descriptor fd, std::size_t mtu);
  ~utun_queue() override;

  int fd() const noexcept override { return fd_.get(); }
  result<read_state> read(slab_writer& slabs, std::vector<received_packet>& out,
                          std::size_t max) override;
  write_tally write(const std::vector<outgoing_segment>& segments,
                    const std::vector<chunk>& chunks) override;
  bool offload() const noexcept override { return false; }

private:
  kernel& kernel_;
  descriptor fd_;
  std::size_t slot_;
  std::array<std::uint8_t, 128> header_{}; ///< family, then IP and TCP
  std::vector<iovec> pieces_;
};

} // namespace tonel::sys
