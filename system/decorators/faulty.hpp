#pragma once

#include "protocol/bytes.hpp"
#include "system/decorators/decorator.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace tonel::sys {

/// A fault of one call.
struct fault {
  int error = 0;    ///< errno of the failure; 0: none
  bool bug = false; ///< throws std::runtime_error, as a bug would
};

enum class fault_way : std::uint8_t { in, out };

/// Decides about faults. Called before each read, without octets, and for each packet or chunk of
/// datagrams, with its octets.
using fault_finder = std::function<fault(fault_way, protocol::byte_view)>;

/// A packet_device with faults. The segments of a failed write are dropped.
class faulty_packet_device final : public packet_device_decorator {
public:
  faulty_packet_device(packet_device& inner, fault_finder find)
      : packet_device_decorator(inner), find_(std::move(find)) {}

  result<read_state> read(slab_writer& slabs, std::vector<received_packet>& out,
                          std::size_t max) override;
  write_tally write(const std::vector<outgoing_segment>& segments,
                    const std::vector<chunk>& chunks) override;

private:
  fault_finder find_;
};

/// A UDP socket with faults.
class faulty_datagram_socket final : public datagram_socket_decorator {
public:
  faulty_datagram_socket(std::shared_ptr<datagram_socket> inner, fault_finder find)
      : datagram_socket_decorator(std::move(inner)), find_(std::move(find)) {}

  result<read_state> receive(slab_writer& slabs, std::vector<received_datagrams>& out,
                             std::size_t max) override;
  send_tally send(const std::vector<outgoing_run>& runs, const std::vector<chunk>& chunks) override;

private:
  fault_finder find_;
};

} // namespace tonel::sys
