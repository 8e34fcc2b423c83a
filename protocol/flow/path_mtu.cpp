#include "protocol/flow/path_mtu.hpp"

#include "protocol/flow/owed_ack.hpp"
#include "protocol/plausible.hpp"
#include "protocol/wire.hpp"

#include <algorithm>

namespace tonel::protocol::flow {

std::uint32_t path_mtu::packet() const noexcept { return max_datagram_ + header_size(v4_); }

bool path_mtu::peer_takes(std::uint32_t mtu) noexcept {
  peer_ = static_cast<std::uint16_t>(std::min<std::uint32_t>(peer_, mtu));
  return update();
}

bool path_mtu::heard(std::uint16_t mtu) noexcept {
  icmp_ = mtu;
  return update();
}

bool path_mtu::forget() noexcept { return heard(65'535); }

bool path_mtu::on_too_big(const packet_too_big& icmp, bool believed, effects& out) noexcept {
  const auto mtu = std::max(icmp.mtu, least_mtu(v4_));
  if (!believed || mtu >= packet()) {
    out.add(count_drop{errc::icmp_ignored, 1});
    return false;
  }
  if (heard(static_cast<std::uint16_t>(mtu))) out.add(mtu_changed{max_datagram_});
  return true;
}

bool path_mtu::update() noexcept {
  const auto heard = std::max<std::uint32_t>(std::min(peer_, icmp_), least_mtu(v4_));
  const auto mtu = std::min<std::uint32_t>(device_, heard);
  const auto header = header_size(v4_);
  const auto largest = mtu > header ? mtu - header : 0;
  if (largest == max_datagram_) return false;
  max_datagram_ = largest;
  return true;
}

bool quotes_what_is_under_way(const packet_too_big& icmp, const sequence_space& space,
                              ids_under_way ids) noexcept {
  const auto under_way = space.under_way();
  const auto before_next = space.snd_nxt() - icmp.seq;
  if (before_next <= 0 || static_cast<std::uint64_t>(before_next) > under_way) return false;
  if (icmp.ack) {
    const auto most = std::min<std::uint64_t>(most_beside(under_way), most_unacked);
    const auto behind = space.rcv_nxt() - *icmp.ack;
    return behind >= 0 && static_cast<std::uint64_t>(behind) <= most;
  }
  const auto sent = static_cast<std::uint16_t>(ids.next - ids.first);
  const auto id = static_cast<std::uint16_t>(icmp.ip_id - ids.first);
  constexpr std::uint64_t most_pairs = std::uint64_t{1} << 27;
  return icmp.quoted.local.address.is_v4() && id < sent && under_way * sent <= most_pairs;
}

} // namespace tonel::protocol::flow
