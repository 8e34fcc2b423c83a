#include "protocol/sealed/key_schedule.hpp"

#include <algorithm>
#include <string_view>

namespace tonel::protocol::sealed {

secret handshake_psk(crypto& c, const secret& key) {
  constexpr std::array<std::uint8_t, 9> info{'t', 'o', 'n', 'e', 'l', ' ', 'p', 's', 'k'};
  secret out;
  c.hkdf(key.view(), {}, info, out.span());
  return out;
}

record_keys keys_of_epoch(crypto& c, const secret& exported, suite s, std::uint32_t epoch) {
  constexpr std::string_view label = "tonel record";
  std::array<std::uint8_t, label.size() + 6> info{};
  std::copy(label.begin(), label.end(), info.begin());
  store_be16(info, label.size(), static_cast<std::uint16_t>(s));
  store_be32(info, label.size() + 2, epoch);
  std::array<std::uint8_t, secret::size + std::tuple_size_v<aead_nonce>> both{};
  const auto length = key_size(s);
  record_keys out;
  c.hkdf(exported.view(), {}, info, byte_span{both}.subview(0, length + out.iv.size()));
  std::copy_n(both.begin(), length, out.key.span().begin());
  std::copy_n(both.begin() + static_cast<std::ptrdiff_t>(length), out.iv.size(), out.iv.begin());
  secret::wipe(both);
  return out;
}

} // namespace tonel::protocol::sealed
