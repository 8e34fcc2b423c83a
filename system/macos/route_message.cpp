#include "system/macos/route_message.hpp"

#include "system/macos/abi.hpp"

#include <cstring>
#include <utility>

namespace tonel::sys {

namespace {

class writer {
public:
  writer(std::uint8_t type, int sequence) {
    header_.type = type;
    header_.sequence = sequence;
    bytes_.resize(sizeof header_);
  }

  darwin::rt_msghdr& header() noexcept { return header_; }

  /// Addresses stand in the order of their bits, each at a multiple of four octets.
  template <class Address> void add(std::int32_t bit, const Address& a) {
    header_.addresses |= bit;
    const auto at = bytes_.size();
    bytes_.resize(at + (sizeof a + 3) / 4 * 4);
    std::memcpy(bytes_.data() + at, &a, sizeof a);
  }

  void add(std::int32_t bit, const protocol::ip_address& a, bool v6) {
    if (v6) {
      darwin::sockaddr_in6 out;
      if (a) std::memcpy(out.address, a.data(), sizeof out.address);
      add(bit, out);
    } else {
      darwin::sockaddr_in out;
      if (a) std::memcpy(out.address, a.data(), sizeof out.address);
      add(bit, out);
    }
  }

  std::vector<std::uint8_t> take() {
    header_.length = static_cast<std::uint16_t>(bytes_.size());
    std::memcpy(bytes_.data(), &header_, sizeof header_);
    return std::move(bytes_);
  }

private:
  darwin::rt_msghdr header_;
  std::vector<std::uint8_t> bytes_;
};

} // namespace

std::vector<std::uint8_t> route_question(const protocol::ip_address& to, bool v6, int sequence) {
  writer w{darwin::rtm_get, sequence};
  w.header().flags = darwin::rtf_up;
  w.add(darwin::rta_dst, to, v6);
  if (to)
    w.header().flags |= darwin::rtf_host;
  else
    w.add(darwin::rta_netmask, {}, v6);
  return w.take();
}

std::vector<std::uint8_t> route_addition(const protocol::ip_address& to, std::uint32_t interface,
                                         int sequence) {
  writer w{darwin::rtm_add, sequence};
  w.header().flags = darwin::rtf_up | darwin::rtf_host | darwin::rtf_static;
  w.header().index = static_cast<std::uint16_t>(interface);
  w.add(darwin::rta_dst, to, to.is_v6());
  darwin::sockaddr_dl link;
  link.index = static_cast<std::uint16_t>(interface);
  w.add(darwin::rta_gateway, link);
  return w.take();
}

std::optional<route_answer> parse_route_answer(protocol::byte_view message, int pid, int sequence) {
  darwin::rt_msghdr h;
  if (message.size() < sizeof h) return {};
  std::memcpy(&h, message.data(), sizeof h);
  if (h.version != darwin::rt_msghdr{}.version || h.pid != pid || h.sequence != sequence) return {};
  return route_answer{h.index, h.error};
}

bool is_route_change(protocol::byte_view message) noexcept {
  // Messages of all types begin with their length, the version and the type.
  if (message.size() < 4 || message[2] != darwin::rt_msghdr{}.version) return false;
  switch (message[3]) {
  case darwin::rtm_add:
  case darwin::rtm_delete:
  case darwin::rtm_change:
  case darwin::rtm_newaddr:
  case darwin::rtm_deladdr: return true;
  default: return false;
  }
}

} // namespace tonel::sys
