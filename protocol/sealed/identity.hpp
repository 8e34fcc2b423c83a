#pragma once

#include "protocol/hello.hpp"
#include "protocol/sealed/crypto.hpp"
#include "protocol/sealed/key.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace tonel::protocol::sealed {

/// Minutes since 1970 by the sender's clock, which may be wrong.
using coarse_time = std::uint32_t;

/// What a client says of itself in the identity of its pre-shared key, to who has the tunnel's key;
/// to all others it is random octets of a random length, as tickets are.
struct identity {
  hello_repr
      hello; ///< without version, offset, control_length, tcp_ends and tag; always with the secret
  coarse_time minutes = 0;
};

inline constexpr std::size_t min_identity = 96;
inline constexpr std::size_t max_identity = 160;
using identity_salt = std::array<std::uint8_t, 16>;

/// Encodes an identity.
/// Shape:  salt(16) | AES-128-GCM(contents, padded by zeros) | tag(16); key and nonce are
///         HKDF(key, salt, "tonel identity"). Contents: version(1) flags(1) index(1) count(1)
///         capabilities(4) session id(8) counter(8) client ISN(4) server ISN(4) keepalive(2) MTU(2)
///         minutes(4) secret(16)
/// salt: random; length: random, min_identity to max_identity
/// Errors: empty: the library can't
[[nodiscard]] std::vector<std::uint8_t> seal_identity(crypto& c, const secret& key,
                                                      const identity& said,
                                                      const identity_salt& salt,
                                                      std::size_t length);
/// None: it is not of this key, or says what makes no sense.
[[nodiscard]] std::optional<identity> open_identity(crypto& c, const secret& key, byte_view sealed);

/// Whose identity it is: the first of the keys that opens it, at most most_keys of them.
struct known_identity {
  std::size_t key = 0; ///< index of the key
  identity said;
};
[[nodiscard]] std::optional<known_identity> find_key(crypto& c, const std::vector<named_key>& keys,
                                                     byte_view sealed);

} // namespace tonel::protocol::sealed
