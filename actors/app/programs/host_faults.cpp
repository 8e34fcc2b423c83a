#include "actors/app/programs/host_faults.hpp"

#include "system/decorators/faulty.hpp"

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace tonel::actors::app {

namespace {

[[noreturn]] void fail_at(const std::string& place) {
  throw std::runtime_error("provoked at " + place);
}

/// Throws if the datagram reads "tonel-fault:PLACE", with the place of the calling actor.
void look_for_fault(const std::string& place, protocol::byte_view datagrams) {
  const std::string_view text{reinterpret_cast<const char*>(datagrams.data()), datagrams.size()};
  if (text == "tonel-fault:" + place) fail_at(place);
}

} // namespace

fault_provoker host_faults() {
  return [](const char* place, protocol::byte_view datagrams) { look_for_fault(place, datagrams); };
}

std::unique_ptr<sys::datagram_socket> with_faults(std::unique_ptr<sys::datagram_socket> socket) {
  return std::make_unique<sys::faulty_datagram_socket>(
      std::move(socket), [](sys::fault_way way, protocol::byte_view datagrams) {
        if (way == sys::fault_way::out) look_for_fault("endpoint", datagrams);
        return sys::fault{};
      });
}

std::function<sys::netlink_changes()> with_faults(std::function<sys::netlink_changes()> take) {
  if (!take) return take;
  return [take = std::move(take)] {
    auto changes = take();
    for (const auto& table : changes.tables)
      if (table == "tonel-fault-firewall") fail_at("firewall");
    return changes;
  };
}

} // namespace tonel::actors::app
