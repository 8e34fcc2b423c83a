#include "actors/app/programs/host_faults.hpp"

namespace tonel::actors::app {

fault_provoker host_faults() { return nullptr; }

std::unique_ptr<sys::datagram_socket> with_faults(std::unique_ptr<sys::datagram_socket> socket) {
  return socket;
}

std::function<sys::netlink_changes()> with_faults(std::function<sys::netlink_changes()> take) {
  return take;
}

} // namespace tonel::actors::app
