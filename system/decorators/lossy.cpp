#include "system/decorators/lossy.hpp"

#include "protocol/run.hpp"

#include <algorithm>

namespace tonel::sys {

namespace {

bool lost(const loss& decide) { return decide && decide(); }

/// Removes lost items, from index `first` on.
template <class Item> void lose(std::vector<Item>& items, std::size_t first, const loss& decide) {
  const auto begin = items.begin() + static_cast<std::ptrdiff_t>(first);
  items.erase(std::remove_if(begin, items.end(), [&](const Item&) { return lost(decide); }),
              items.end());
}

} // namespace

result<read_state> lossy_packet_device::read(slab_writer& slabs, std::vector<received_packet>& out,
                                             std::size_t max) {
  const auto first = out.size();
  auto state = inner().read(slabs, out, max);
  lose(out, first, read_);
  return state;
}

write_tally lossy_packet_device::write(const std::vector<outgoing_segment>& segments,
                                       const std::vector<chunk>& chunks) {
  auto left = segments;
  lose(left, 0, written_);
  auto tally = inner().write(left, chunks);
  tally.written += static_cast<std::uint32_t>(segments.size() - left.size());
  return tally;
}

result<read_state> lossy_datagram_socket::receive(slab_writer& slabs,
                                                  std::vector<received_datagrams>& out,
                                                  std::size_t max) {
  const auto first = out.size();
  auto state = inner().receive(slabs, out, max);
  lose(out, first, received_);
  return state;
}

send_tally lossy_datagram_socket::send(const std::vector<outgoing_run>& runs,
                                       const std::vector<chunk>& chunks) {
  std::vector<outgoing_run> left;
  std::uint32_t gone = 0;
  for (const auto& each : runs) {
    if (lost(sent_))
      gone += protocol::datagrams_in(each.length, each.datagram_size);
    else
      left.push_back(each);
  }
  auto tally = inner().send(left, chunks);
  tally.sent += gone;
  return tally;
}

} // namespace tonel::sys
