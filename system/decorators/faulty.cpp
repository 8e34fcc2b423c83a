#include "system/decorators/faulty.hpp"

#include "protocol/run.hpp"

#include <stdexcept>

namespace tonel::sys {

namespace {

/// Throws, or gives the errno of the fault, or 0.
int provoke(const fault_finder& find, fault_way way, protocol::byte_view octets) {
  const auto found = find(way, octets);
  if (found.bug)
    throw std::runtime_error(way == fault_way::in ? "provoked at a read" : "provoked at a write");
  return found.error;
}

/// Reads, with the first fault of the call or of an item that it gave.
template <class Item, class Read>
result<read_state> read_with(const fault_finder& find, const char* operation,
                             std::vector<Item>& out, Read read) {
  const auto failed = [&](int error) { return unexpected{os_error{error, operation, "provoked"}}; };
  if (const int error = provoke(find, fault_way::in, {}); error != 0) return failed(error);
  const auto first = out.size();
  auto state = read();
  for (auto i = first; i < out.size(); ++i)
    if (const int error = provoke(find, fault_way::in, out[i].bytes.bytes()); error != 0)
      return failed(error);
  return state;
}

/// The items without a fault; passes the others to `fail`.
template <class Item, class Fail>
std::vector<Item> writable(const fault_finder& find, const std::vector<Item>& items,
                           const std::vector<chunk>& chunks, Fail fail) {
  std::vector<Item> out;
  for (const auto& each : items) {
    int error = each.count == 0 ? provoke(find, fault_way::out, {}) : 0;
    for (auto i = each.first; i < each.first + each.count && error == 0; ++i)
      error = provoke(find, fault_way::out, chunks[i].bytes());
    if (error != 0)
      fail(each);
    else
      out.push_back(each);
  }
  return out;
}

} // namespace

result<read_state> faulty_packet_device::read(slab_writer& slabs, std::vector<received_packet>& out,
                                              std::size_t max) {
  return read_with(find_, "read TUN", out, [&] { return inner().read(slabs, out, max); });
}

write_tally faulty_packet_device::write(const std::vector<outgoing_segment>& segments,
                                        const std::vector<chunk>& chunks) {
  std::uint32_t dropped = 0;
  const auto left = writable(find_, segments, chunks, [&](const outgoing_segment&) { ++dropped; });
  auto tally = inner().write(left, chunks);
  tally.dropped += dropped;
  return tally;
}

result<read_state> faulty_datagram_socket::receive(slab_writer& slabs,
                                                   std::vector<received_datagrams>& out,
                                                   std::size_t max) {
  return read_with(find_, "recvmmsg", out, [&] { return inner().receive(slabs, out, max); });
}

send_tally faulty_datagram_socket::send(const std::vector<outgoing_run>& runs,
                                        const std::vector<chunk>& chunks) {
  std::uint32_t dropped = 0;
  const auto left = writable(find_, runs, chunks, [&](const outgoing_run& run) {
    dropped += protocol::datagrams_in(run.length, run.datagram_size);
  });
  auto tally = inner().send(left, chunks);
  tally.dropped += dropped;
  return tally;
}

} // namespace tonel::sys
