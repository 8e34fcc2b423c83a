#pragma once

#include "actors/shard/inbound_segment.hpp"
#include "system/datagram_socket.hpp"
#include "system/packet_device.hpp"
#include "system/slab.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

#include <vector>

namespace tonel::actors {

// Batches, named by their way through a shard: udp_listener or udp_endpoint -> app_to_wire -> stream
// -> to_device -> tun_queue, and tun_queue -> from_device -> stream -> wire_to_app -> udp_listener or
// udp_endpoint. `app` is whoever speaks UDP to us: applications at the client, upstreams at the server.

/// What one wake-up has read for one stream.
struct from_device {
  std::vector<inbound_segment> segments;
};
/// Segments to write to the TUN, in order.
struct to_device {
  std::vector<sys::outgoing_segment> segments;
  std::vector<sys::chunk> chunks;
};
/// Datagrams of one session that were read in one wake-up, in order.
struct app_to_wire {
  std::vector<sys::chunk> chunks;
};
/// Datagrams of one session for whoever speaks UDP to us, in order.
/// Shape: path is that of the application (client); empty at the server
struct wire_to_app {
  sys::datagram_path path;
  std::vector<sys::chunk> chunks;
};

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::from_device)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::to_device)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::app_to_wire)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::wire_to_app)
