#pragma once

#include "protocol/address.hpp"

#include <memory>

namespace tonel::sys {

/// The connections of the host's own TCP.
/// Thread: any
class host_tcp {
public:
  virtual ~host_tcp() = default;
  /// Whether the packets of this connection are its own, by a connection, or by a program that listens
  /// there. A system that does not tell has none. Takes some microseconds, and waits for nobody.
  virtual bool has(const protocol::four_tuple& connection) = 0;
};

/// Asks the kernel. Null: it cannot be asked.
std::unique_ptr<host_tcp> open_host_tcp();

} // namespace tonel::sys
