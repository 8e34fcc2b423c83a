#include "protocol/sealed/identity.hpp"

#include <algorithm>
#include <cassert>

namespace tonel::protocol::sealed {

namespace {

constexpr std::uint8_t known_version = 1;
constexpr std::uint8_t introduces_flag = 0x01;

// The offset of each field.
constexpr std::size_t version_at = 0;
constexpr std::size_t flags_at = 1;
constexpr std::size_t index_at = 2;
constexpr std::size_t count_at = 3;
constexpr std::size_t capabilities_at = 4;
constexpr std::size_t session_at = 8;
constexpr std::size_t counter_at = 16;
constexpr std::size_t client_iss_at = 24;
constexpr std::size_t server_iss_at = 28;
constexpr std::size_t keepalive_at = 32;
constexpr std::size_t mtu_at = 34;
constexpr std::size_t minutes_at = 36;
constexpr std::size_t secret_at = 40;
constexpr std::size_t contents_size = 56;

constexpr std::size_t around = std::tuple_size_v<identity_salt> + tag_size;
static_assert(contents_size <= min_identity - around);
using padded = std::array<std::uint8_t, max_identity - around>;

struct one_key {
  std::array<std::uint8_t, 16 + std::tuple_size_v<aead_nonce>> both{};
  ~one_key() { secret::wipe(both); }
  byte_view key() const noexcept { return byte_view{both}.subview(0, 16); }
  aead_nonce nonce() const noexcept {
    aead_nonce out{};
    std::copy_n(both.begin() + 16, out.size(), out.begin());
    return out;
  }
};

one_key derive(crypto& c, const secret& key, byte_view salt) {
  constexpr std::array<std::uint8_t, 14> info{'t', 'o', 'n', 'e', 'l', ' ', 'i',
                                              'd', 'e', 'n', 't', 'i', 't', 'y'};
  one_key out;
  c.hkdf(key.view(), salt, info, out.both);
  return out;
}

void encode(const identity& said, byte_span out) noexcept {
  const auto& hello = said.hello;
  out[version_at] = known_version;
  out[flags_at] = hello.introduces ? introduces_flag : 0;
  out[index_at] = hello.stream_index;
  out[count_at] = hello.stream_count;
  store_be32(out, capabilities_at, hello.capabilities);
  std::copy(hello.session.begin(), hello.session.end(), out.begin() + session_at);
  store_be64(out, counter_at, hello.counter);
  store_be32(out, client_iss_at, hello.client_iss.raw);
  store_be32(out, server_iss_at, hello.server_iss.raw);
  const auto seconds = std::clamp<std::chrono::seconds::rep>(hello.keepalive.count(), 0, 65'535);
  store_be16(out, keepalive_at, static_cast<std::uint16_t>(seconds));
  store_be16(out, mtu_at, hello.mtu);
  store_be32(out, minutes_at, said.minutes);
  std::copy(hello.secret.begin(), hello.secret.end(), out.begin() + secret_at);
}

std::optional<identity> decode(byte_view in) noexcept {
  // Flags, capabilities and what follows the contents: later versions may say more there.
  if (in[version_at] != known_version) return std::nullopt;
  identity out;
  auto& hello = out.hello;
  hello.introduces = (in[flags_at] & introduces_flag) != 0;
  hello.stream_index = in[index_at];
  hello.stream_count = in[count_at];
  hello.capabilities = load_be32(in, capabilities_at);
  std::copy_n(in.begin() + session_at, hello.session.size(), hello.session.begin());
  hello.counter = load_be64(in, counter_at);
  hello.client_iss = {load_be32(in, client_iss_at)};
  hello.server_iss = {load_be32(in, server_iss_at)};
  hello.keepalive = std::chrono::seconds{load_be16(in, keepalive_at)};
  hello.mtu = load_be16(in, mtu_at);
  out.minutes = load_be32(in, minutes_at);
  std::copy_n(in.begin() + secret_at, hello.secret.size(), hello.secret.begin());
  if (hello.stream_count == 0 || hello.stream_index >= hello.stream_count) return std::nullopt;
  return out;
}

} // namespace

std::vector<std::uint8_t> seal_identity(crypto& c, const secret& key, const identity& said,
                                        const identity_salt& salt, std::size_t length) {
  assert(length >= min_identity && length <= max_identity);
  length = std::clamp(length, min_identity, max_identity);
  padded plain{};
  encode(said, plain);
  const auto keys = derive(c, key, salt);
  std::vector<std::uint8_t> out(length);
  std::copy(salt.begin(), salt.end(), out.begin());
  const bool ok =
      c.seal_once(keys.key(), keys.nonce(), byte_view{plain}.subview(0, length - around),
                  byte_span{out}.subview(salt.size()));
  secret::wipe(plain);
  if (!ok) out.clear();
  return out;
}

std::optional<identity> open_identity(crypto& c, const secret& key, byte_view sealed) {
  if (sealed.size() < min_identity || sealed.size() > max_identity) return std::nullopt;
  constexpr auto salt_size = std::tuple_size_v<identity_salt>;
  const auto keys = derive(c, key, sealed.subview(0, salt_size));
  padded plain{};
  std::optional<identity> out;
  if (c.open_once(keys.key(), keys.nonce(), sealed.subview(salt_size),
                  byte_span{plain}.subview(0, sealed.size() - around)))
    out = decode(plain);
  secret::wipe(plain);
  return out;
}

std::optional<known_identity> find_key(crypto& c, const std::vector<named_key>& keys,
                                       byte_view sealed) {
  if (sealed.size() < min_identity || sealed.size() > max_identity) return std::nullopt;
  for (std::size_t i = 0; i < std::min(keys.size(), most_keys); ++i)
    if (auto said = open_identity(c, keys[i].key, sealed)) return known_identity{i, *said};
  return std::nullopt;
}

} // namespace tonel::protocol::sealed
