#pragma once

#include "protocol/sealed/crypto.hpp"
#include "protocol/sealed/secret.hpp"

#include <array>
#include <cstdint>

namespace tonel::protocol::sealed {

/// Which way records go.
enum class direction : std::uint8_t { to_server = 0, to_client = 1 };

/// The pre-shared key of the handshake: HKDF(key, "", "tonel psk").
[[nodiscard]] secret handshake_psk(crypto& c, const secret& key);

/// The label of the secrets that the handshake exports, one a direction, whose octet is the context.
inline constexpr char exporter_label[] = "EXPORTER-tonel";

/// What seals the records of one direction in one epoch.
struct record_keys {
  secret key; ///< its first key_size(suite) octets
  aead_nonce iv{};
};
/// HKDF(exported secret, "", "tonel record" || suite (2) || epoch (4)): the key, then the IV.
/// epoch: how often the relative sequence number has wrapped. What is derived for one tells nothing
///        of another, so that the handshake's state is not needed for the next one
[[nodiscard]] record_keys keys_of_epoch(crypto& c, const secret& exported, suite s,
                                        std::uint32_t epoch);

} // namespace tonel::protocol::sealed
