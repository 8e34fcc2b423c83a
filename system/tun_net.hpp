#pragma once

#include "protocol/address.hpp"
#include "system/ip_net.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tonel::sys {

/// Addresses that the host already uses or reaches by a route of its own.
struct host_net {
  ip_net net;
  std::string device;  ///< empty: a remote of a tunnel
  bool direct = false; ///< the host's own address, or its neighbours'; else behind a gateway
};

/// The two ends of a TUN device: the host's, and the program's.
struct tun_ends {
  protocol::ip_address local, peer;
};

/// An address of a TUN device that the host uses already.
struct net_overlap {
  protocol::ip_address address;
  host_net with;
};

/// The most specific of the host's nets that holds one of the ends; none: there is no overlap. A net
/// of half of all addresses or more is a default route, and no overlap.
std::optional<net_overlap> overlap_of(const tun_ends& ends, const std::vector<host_net>& taken);

/// The first pair without an overlap: the usual one, or one of the next nets; none: all are taken.
/// Shape: 192.168.200.1 is followed by .202.1 to .254.1, then by the like of 172.31 and 10.231;
///        fcc8::1 by fcc8:0:0:1::1 to fcc8:0:0:3f::1
std::optional<tun_ends> first_free(const tun_ends& usual, const std::vector<host_net>& taken);

/// The host's nets, without those of the device of this name; empty: they cannot be read.
std::vector<host_net> host_nets(const std::string& own_device);

/// The addresses of all interfaces but this one.
std::vector<host_net> interface_addresses(const std::string& own_device);

} // namespace tonel::sys
