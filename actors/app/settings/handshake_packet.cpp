#include "actors/app/settings/handshake_packet.hpp"

#include "protocol/wire.hpp"
#include "system/private_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

namespace tonel::actors::app {

namespace {

/// The largest payload of a segment over the device, octets. The IP version of a name's address, or
/// of a server's clients, is not known yet, so IPv6 counts if it is possible.
std::size_t segment_size(const config& run, const tunnel_config& tunnel) {
  const auto remote = protocol::ip_address::parse(tunnel.remote.host);
  const bool v4 = !run.tun.ipv6 || (run.side == role::client && remote && remote->is_v4());
  // tonel 0.6.1 and phantun have buffers of this size.
  const bool older = tunnel.wire == wire_choice::tonel || tunnel.wire == wire_choice::phantun;
  const auto mtu = older ? std::min<std::uint16_t>(run.tun.mtu, 1'500) : run.tun.mtu;
  return mtu - protocol::header_size(v4);
}

} // namespace

expected<std::shared_ptr<const std::vector<std::uint8_t>>, option_error>
read_handshake_packet(const named_file& named, const config& run, const tunnel_config& tunnel) {
  const auto& path = named.path;
  if (path.empty()) return nullptr;
  const auto refuse = [&](std::string problem) {
    return unexpected{option_error{named.option, path, std::move(problem), named.place}};
  };
  const auto most = segment_size(run, tunnel);
  const auto content = sys::read_named_file(path, most);
  if (!content && content.error().number == EFBIG)
    return refuse("has more than the " + std::to_string(most) + " bytes that fit one packet");
  if (!content && content.error().number == ETIMEDOUT)
    return refuse("cannot be read: nobody writes into this pipe, or it does not end");
  if (!content)
    return refuse("cannot be read: " + std::generic_category().message(content.error().number));
  if (content->empty()) return refuse("is empty");
  return std::make_shared<const std::vector<std::uint8_t>>(content->begin(), content->end());
}

} // namespace tonel::actors::app
