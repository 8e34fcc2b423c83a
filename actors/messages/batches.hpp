#pragma once

#include "actors/shard/inbound_segment.hpp"
#include "system/datagram_socket.hpp"
#include "system/packet_device.hpp"
#include "system/slab.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

#include <vector>

namespace tonel::actors {

// Batches, named by their direction through a shard: udp_listener or udp_endpoint -> app_to_wire ->
// stream -> to_device -> tun_queue; and tun_queue -> from_device -> stream -> wire_to_app ->
// udp_listener or udp_endpoint. `app` is the UDP side: applications at the client, the upstream at
// the server.

/// The segments of one stream that one wake-up has read, in order.
struct from_device {
  std::vector<inbound_segment> segments;
};
/// Segments to write to the TUN, in order.
struct to_device {
  std::vector<sys::outgoing_segment> segments;
  std::vector<sys::chunk> chunks;
};
/// The datagrams of one session that one wake-up has read, in order.
struct app_to_wire {
  std::vector<sys::chunk> chunks;
};
/// Datagrams of one session to send to its application or upstream, in order.
/// Shape: path: the application's (client); empty at the server
struct wire_to_app {
  sys::datagram_path path;
  std::vector<sys::chunk> chunks;
};

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::from_device)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::to_device)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::app_to_wire)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::wire_to_app)
