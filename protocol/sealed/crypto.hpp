#pragma once

#include "protocol/bytes.hpp"
#include "protocol/sealed/secret.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace tonel::protocol::sealed {

/// A cipher suite of TLS 1.3, by its number there. Both have SHA-256.
enum class suite : std::uint16_t { aes_128_gcm = 0x1301, chacha20_poly1305 = 0x1303 };
constexpr std::size_t key_size(suite s) noexcept { return s == suite::aes_128_gcm ? 16 : 32; }
/// The suite's name: "AES-128-GCM".
constexpr const char* to_string(suite s) noexcept {
  return s == suite::aes_128_gcm ? "AES-128-GCM" : "ChaCha20-Poly1305";
}

using aead_nonce = std::array<std::uint8_t, 12>;
inline constexpr std::size_t tag_size = 16;

/// A cipher that authenticates, with one key.
/// Owns:   state that is made once: its calls allocate nothing
/// Thread: one at a time
class aead {
public:
  virtual ~aead() = default;
  /// Seals `plain` and, behind it, one octet more.
  /// out: plain.size() + 1 + tag_size octets, apart from `plain`
  /// Errors: false: the library failed, and nothing may be sent
  [[nodiscard]] virtual bool seal(const aead_nonce& nonce, byte_view associated, byte_view plain,
                                  std::uint8_t last, byte_span out) noexcept = 0;
  /// Opens `sealed`. False: it is not what was sealed; what is in `out` means nothing.
  /// out: sealed.size() - tag_size octets, apart from `sealed`
  [[nodiscard]] virtual bool open(const aead_nonce& nonce, byte_view associated, byte_view sealed,
                                  byte_span out) noexcept = 0;
};

/// How far the handshake of one end is.
enum class tls_state : std::uint8_t { going_on, done, failed };

/// Why a handshake has failed, as far as this end can tell.
enum class handshake_failure : std::uint8_t {
  none,
  alert,       ///< the peer has ended it
  stranger,    ///< client: a TLS server that does not know the key, and would show a certificate
  bad_octets,  ///< the octets are no handshake, or not of one who knows the key
  our_library, ///< this end could not
  too_long,    ///< more octets than a handshake has
  timed_out,
};
/// In words: "the other end has refused the handshake".
const char* to_string(handshake_failure f) noexcept;

/// One end of the handshake of one connection.
/// Shape: external PSK with an ephemeral exchange (psk_dhe_ke, X25519), no certificates, no
///        tickets: client flight, server flight, client Finished
/// Source: RFC 8446 §2.2, §4.2.11
class tls_end {
public:
  virtual ~tls_end() = default;
  /// Takes the next octets of the peer and appends to `out` what is to be sent; to begin with, a
  /// client takes none.
  virtual tls_state take(byte_view in, std::vector<std::uint8_t>& out) = 0;
  /// How many of the octets taken belong to the handshake; what follows them is data.
  virtual std::size_t consumed() const noexcept = 0;
  virtual handshake_failure why() const noexcept = 0;
  /// Once done: the suite that both have agreed on.
  virtual suite chosen() const noexcept = 0;
  /// Once done: a secret of this connection, the same at both ends (RFC 8446 §7.5).
  [[nodiscard]] virtual bool export_secret(std::string_view label, byte_view context,
                                           secret& out) = 0;
};

/// What a client says to a server.
struct tls_offer {
  secret psk;
  std::vector<std::uint8_t> identity; ///< of the pre_shared_key extension
  std::string_view server_name;       ///< empty: none
  suite preferred = suite::aes_128_gcm;
};

/// All that sealed streams need of a cryptographic library. tls/ has the real one, by OpenSSL; tests
/// have one that protects nothing.
/// Thread: one at a time
class crypto {
public:
  virtual ~crypto() = default;
  /// HKDF with SHA-256 (RFC 5869). out: at most 255 * 32 octets
  virtual void hkdf(byte_view key, byte_view salt, byte_view info, byte_span out) = 0;
  /// Null: the library can't.
  virtual std::unique_ptr<aead> make_aead(suite s, byte_view key) = 0;
  /// For one message by AES-128-GCM; out: plain.size() + tag_size octets.
  [[nodiscard]] virtual bool seal_once(byte_view key, const aead_nonce& nonce, byte_view plain,
                                       byte_span out) = 0;
  /// out: sealed.size() - tag_size octets
  [[nodiscard]] virtual bool open_once(byte_view key, const aead_nonce& nonce, byte_view sealed,
                                       byte_span out) = 0;
  /// Null: the library can't.
  virtual std::unique_ptr<tls_end> connect(const tls_offer& offer) = 0;
  /// A server's end for the client that has sent this identity. Null: the library can't.
  virtual std::unique_ptr<tls_end> accept(const secret& psk, byte_view identity) = 0;
};

} // namespace tonel::protocol::sealed
