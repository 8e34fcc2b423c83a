#pragma once

#include "system/kernel.hpp"
#include "system/packet_device.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

struct iovec;

namespace tonel::sys {

/// One queue of a Linux TUN device.
/// Shape: with `vnet`, ten octets of vnet header precede each packet; with `offload`, packets are
///        of up to 64 KiB
class tun_queue final : public packet_device {
public:
  struct mode {
    bool vnet = false;
    bool offload = false;
    std::size_t mtu = 1500;
  };

  tun_queue(kernel& k, descriptor fd, mode m);
  ~tun_queue() override;

  int fd() const noexcept override { return fd_.get(); }
  result<read_state> read(slab_writer& slabs, std::vector<received_packet>& out,
                          std::size_t max) override;
  write_tally write(const std::vector<outgoing_segment>& segments,
                    const std::vector<chunk>& chunks) override;
  bool offload() const noexcept override { return offload_; }
  /// What the next renew() takes. Thread: any
  void offer(descriptor fd, mode m);
  bool renew() override;

private:
  struct offered_queue {
    descriptor fd;
    mode how;
  };

  long write_pieces(std::size_t count) noexcept;
  long write_whole(const outgoing_segment& s, const std::vector<chunk>& chunks);
  long write_singles(const outgoing_segment& s, const std::vector<chunk>& chunks);

  kernel& kernel_;
  descriptor fd_;
  mode mode_;
  bool offload_;
  std::array<std::uint8_t, 128> header_{}; ///< vnet header, then IP and TCP
  std::vector<iovec> pieces_;
  std::mutex offer_mutex_;
  std::optional<offered_queue> offered_;
};

} // namespace tonel::sys
